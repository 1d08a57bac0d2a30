"""Managing models: passed on to an Ollama as it is, for admins only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import NoModel, Refused, SutazaiError
from sutazai.gateway.backends.discovery import BackendState
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.streams import write_json
from sutazai.gateway.failures import failure_of
from sutazai.wire import Client, ClientResponse, Headers, Request, Response, Router, Timeout

ENDPOINTS = (
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("HEAD", "/api/blobs/{digest}"),
    ("POST", "/api/blobs/{digest}"),
)

CHOICE = "x-sutazai-backend"
"""The header that names the backend, where several speak Ollama."""

_TIMEOUT = Timeout(connect=5.0, headers=3600.0, idle=600.0)  # a model is many gigabytes
_PASSED = ("content-type", "content-length")


class Management:
    """Passes on what changes the models of a backend."""

    def __init__(
        self, client: Client, backends: Backends, identify: Callable[[Request], Caller]
    ) -> None:
        self._client = client
        self._backends = backends
        self._identify = identify

    def serve(self, router: Router) -> None:
        """Adds its endpoints to ``router``."""
        for method, path in ENDPOINTS:
            router.add(method, path, self.handle)

    async def handle(self, request: Request) -> Response:
        """The backend's answer, or the error as Ollama says it."""
        try:
            return await self._pass(request)
        except SutazaiError as error:
            failure = failure_of(error)
            body = CODECS[Dialect.OLLAMA].failure_body(failure, same_dialect=False)
            return Response(
                failure.status, [("content-type", "application/json")], write_json(body)
            )

    async def _pass(self, request: Request) -> Response:
        if not self._identify(request).admin:
            raise Refused(
                "only an admin may manage models",
                hint="send the admin's token as the key, or use `ollama` at the backend itself",
            )
        backend = self._choose(request)
        response = await self._client.request(
            request.method,
            backend.address,
            backend.target(request.target),
            headers=[*_kept(request.headers), *backend.headers],
            body=request.stream() if "content-length" in request.headers else b"",
            timeout=_TIMEOUT,
        )
        name = backend.route.name
        body = _Passed(response, lambda: self._backends.look_soon(name))
        return Response(response.status, [*_kept(response.headers), (CHOICE, name)], body)

    def _choose(self, request: Request) -> BackendState:
        wanted = request.headers.get(CHOICE)
        for state in self._backends.states:
            is_ollama = state.available and state.route.dialect is Dialect.OLLAMA
            if is_ollama and wanted in (None, state.route.name):
                return state
        raise NoModel(
            "no Ollama is available" if wanted is None else f"no Ollama {wanted!r} is available",
            hint="only backends of dialect ollama can manage models",
        )


class _Passed:
    """The backend's answer; at its end the backend's models are looked at anew."""

    def __init__(self, response: ClientResponse, ended: Callable[[], None]) -> None:
        self._response = response
        self._ended = ended

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._response.next_piece()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        await self._response.close()
        self._ended()


def _kept(headers: Headers) -> list[tuple[str, str]]:
    return [(name, value) for name in _PASSED if (value := headers.get(name)) is not None]
