"""Small LLM servers of each kind, as real servers on loopback; told what to do while they run."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

from sutazai.wire import Request, Response, Router, Server, json_response

FOREVER = "2318-10-17T16:47:07.933551234Z"


@dataclass
class VirtualTime:
    """Both clocks, which go on only when they are told to."""

    now: float = 1_000.0
    at: float = 1_700_000_000.0

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.at += seconds

    def sleep(self, seconds: float) -> None:
        """The machine sleeps: its monotonic clock stands still."""
        self.at += seconds


class FakeServer:
    """Use as ``async with``. ``seen`` counts requests by path, ``requests`` keeps them."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.bodies: list[Any] = []
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        router = Router()
        self.serve(router)

        async def counted(request: Request) -> Response:
            self.seen[request.path] += 1
            self.requests.append(request)
            return await router(request)

        self._server = Server(counted)
        self.port = await self._server.listen_tcp("127.0.0.1", self.port, "fake")

    async def stop(self) -> None:
        """Also a second time; started again it has the same port."""
        if self._server is not None:
            await self._server.close(grace=0)
            self._server = None

    def serve(self, router: Router) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@dataclass
class Talk:
    """How a server answers calls: with a status and an error by model, or not at all."""

    broken: dict[str, int] = field(default_factory=dict)
    hold: asyncio.Event | None = None

    async def failure(self, model: str) -> int:
        """The status to answer with, nought to answer well."""
        if self.hold is not None:
            await self.hold.wait()
        return self.broken.get(model, 0)


class Ollama(FakeServer):
    """An Ollama: digests and trained contexts by model, and what is loaded with which context."""

    def __init__(self, **models: str) -> None:
        super().__init__()
        self.models = models
        self.trained = dict.fromkeys(models, 8192)
        self.loaded: dict[str, int] = {}
        self.talk = Talk()
        self.has_ps = True
        self.list_status = 200

    def serve(self, router: Router) -> None:
        router.add("GET", "/api/tags", self._tags)
        router.add("GET", "/api/ps", self._ps)
        router.add("POST", "/api/show", self._show)
        router.add("POST", "/api/chat", self._chat)
        router.add("POST", "/api/embed", self._embed)

    async def _tags(self, request: Request) -> Response:
        models = [
            {"name": name, "model": name, "digest": digest, "size": 5}
            for name, digest in self.models.items()
        ]
        return json_response({"models": models}, self.list_status)

    async def _ps(self, request: Request) -> Response:
        if not self.has_ps:
            return json_response({"error": "not found"}, 404)
        models = [
            {"name": name, "context_length": context, "expires_at": FOREVER}
            for name, context in self.loaded.items()
        ]
        return json_response({"models": models})

    async def _show(self, request: Request) -> Response:
        name = (await request.json())["model"]
        if name not in self.trained:
            return json_response({"error": "cannot be read"}, 500)
        return json_response({"model_info": {"llama.context_length": self.trained[name]}})

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if status := await self.talk.failure(body["model"]):
            return json_response({"error": "llama runner process has terminated"}, status)
        self.loaded.setdefault(body["model"], body.get("options", {}).get("num_ctx", 4096))
        message = {"role": "assistant", "content": "Hi"}
        return json_response({"message": message, "done": True, "done_reason": "length"})

    async def _embed(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        return json_response({"embeddings": [[1.0]], "prompt_eval_count": 1})


class OpenAi(FakeServer):
    """A server that speaks OpenAI's dialect below ``base``; llama.cpp's with ``slots``.

    Args:
        key: header and value that every request must carry.
        bare: lists models as a bare list, as GitHub does.
    """

    def __init__(
        self,
        *models: str,
        base: str = "/v1",
        list_path: str | None = None,
        slots: int | None = None,
        key: tuple[str, str] | None = None,
        bare: bool = False,
    ) -> None:
        super().__init__()
        self.models = models
        self.base = base
        self.list_path = list_path or f"{base}/models"
        self.slots = slots
        self.key = key
        self.bare = bare
        self.has_props = True
        self.talk = Talk()
        self.list_status = 200
        self.list_hold: asyncio.Event | None = None

    def serve(self, router: Router) -> None:
        router.add("GET", self.list_path, self._list)
        router.add("GET", "/props", self._props)
        router.add("POST", f"{self.base}/chat/completions", self._chat)

    def _refused(self, request: Request) -> Response | None:
        if self.key is None or request.headers.get(self.key[0]) == self.key[1]:
            return None
        return json_response({"error": {"message": "wrong key"}}, 401)

    async def _list(self, request: Request) -> Response:
        if self.list_hold is not None:
            await self.list_hold.wait()
        if (refusal := self._refused(request)) is not None:
            return refusal
        owner = "llamacpp" if self.slots is not None else "tests"
        data = [{"id": name, "owned_by": owner, "created": self.seen[request.path]}
                for name in self.models]  # fmt: skip
        return json_response(data if self.bare else {"data": data}, self.list_status)

    async def _props(self, request: Request) -> Response:
        if not self.has_props or self.slots is None:
            return json_response({"error": {"message": "no", "code": 404}}, 404)
        settings = {"n_ctx": 2048}
        return json_response({"total_slots": self.slots, "default_generation_settings": settings})

    async def _chat(self, request: Request) -> Response:
        if (refusal := self._refused(request)) is not None:
            return refusal
        body = await request.json()
        self.bodies.append(body)
        if status := await self.talk.failure(body["model"]):
            return json_response({"error": {"message": "scripted trouble"}}, status)
        choice = {"index": 0, "message": {"content": "Hi"}, "finish_reason": "length"}
        return json_response({"choices": [choice], "usage": {"completion_tokens": 1}})


class EntraServer(FakeServer):
    """Gives tokens `token-1`, `token-2` and so on, each for ``lasts`` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.lasts: Any = 3599
        self.failure: dict[str, str] | None = None
        self.whole: Response | None = None
        self.hold: asyncio.Event | None = None
        self.forms: list[dict[str, list[str]]] = []

    def serve(self, router: Router) -> None:
        router.add("POST", "/{tenant}/oauth2/v2.0/token", self._token)

    async def _token(self, request: Request) -> Response:
        self.forms.append(parse_qs((await request.read()).decode()))
        if self.hold is not None:
            await self.hold.wait()
        if self.whole is not None:
            return self.whole
        if self.failure is not None:
            return json_response(self.failure, 401)
        self.given += 1
        token = f"token-{self.given}"
        return json_response(
            {"token_type": "Bearer", "expires_in": self.lasts, "access_token": token}
        )
