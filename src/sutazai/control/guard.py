"""Who may speak to control: this machine only, by its own name, with the token. ASGI middleware.

A web page from anywhere can send requests to loopback ports, and by DNS rebinding read the answers;
any local program can connect. Hence `Host`, `Origin` and the token, on everything but what tells
that control is there.
"""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sutazai.control.api.errors import error_json
from sutazai.fleet.errors import SutazaiError, Unauthenticated
from sutazai.gateway.callers.origin import check
from sutazai.wire import Headers
from sutazai.wire.messages import BodyTooLarge

BODY_MAX = 1024 * 1024
OPEN_PATHS = frozenset({"/", "/health"})


class Guard:
    """Lets good requests through to ``app``, with a bounded body.

    Args:
        own_host: the address that control listens on.
    """

    def __init__(self, app: ASGIApp, *, token: str, own_host: str) -> None:
        self._app = app
        self._token = token.encode()
        self._own_hosts = (own_host,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no websockets here: the server refuses what is not accepted
        try:
            headers = _headers(scope)
            check(headers, self._own_hosts)
            self._authenticate(scope["path"], headers)
            _check_length(headers)
        except SutazaiError as error:
            await error_json(error)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    def _authenticate(self, path: str, headers: Headers) -> None:
        if path in OPEN_PATHS:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode(errors="surrogateescape")
        # Compared in any case, so that the time taken tells nothing.
        good = hmac.compare_digest(given, self._token)
        if not good or scheme.lower() != "bearer":
            raise Unauthenticated(
                "the admin token is needed" if not token else "the admin token is wrong",
                hint="send `Authorization: Bearer TOKEN`; it stands in the state folder's `token`",
            )


def _headers(scope: Scope) -> Headers:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return Headers(pairs)


def _check_length(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_MAX:
        raise _too_large()


def _bounded(receive: Receive) -> Receive:
    left = BODY_MAX

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large()
        return message

    return bounded


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body is longer than {BODY_MAX} bytes", limit=BODY_MAX)
