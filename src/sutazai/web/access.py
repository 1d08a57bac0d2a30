"""Who may see pages: this machine's browsers with a session of ours. ASGI middleware.

The pages' own scripts and styles are open, for they are the same everywhere; whatever tells of the
fleet, and the connection that keeps pages up to date, needs a session.
"""

from __future__ import annotations

import time
from http.cookies import CookieError, SimpleCookie

from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sutazai.fleet.errors import Refused, SutazaiError, Unauthenticated
from sutazai.fleet.tickets import SESSION, Ticket
from sutazai.gateway.callers.origin import check
from sutazai.wire import Headers

LOGIN = "/login"
OPEN_PATHS = frozenset({LOGIN, "/health", "/favicon.ico"})
OPEN_PREFIX = "/_nicegui/"
POLICY_VIOLATION = 1008
"""The code with which a connection is refused."""

SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
)


class Access:
    """Lets good requests through to ``app``.

    Args:
        token: the admin token, which sessions are made from.
        cookie: the name of the session's cookie; fleets beside each other have different ones.
        own_host: the address that the dashboard listens on.
    """

    def __init__(self, app: ASGIApp, *, token: str, cookie: str, own_host: str) -> None:
        self.app = app
        self._token = token
        self._cookie = cookie
        self._own_hosts = (own_host,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            headers = _headers(scope)
            check(headers, self._own_hosts)
            self._authenticate(scope, headers)
        except Unauthenticated:
            await _to_login(scope, receive, send)
        except SutazaiError as error:
            await _refuse(error, scope, receive, send)
        else:
            await self.app(scope, receive, _with_safety(send))

    def _authenticate(self, scope: Scope, headers: Headers) -> None:
        path: str = scope["path"]
        if scope["type"] == "http" and (path in OPEN_PATHS or path.startswith(OPEN_PREFIX)):
            return
        if scope["type"] == "websocket" and "origin" not in headers:
            raise Refused("only pages of this dashboard may connect")
        text = _cookies(headers).get(self._cookie, "")
        Ticket.read(text, SESSION, token=self._token, now=time.time())


def _headers(scope: Scope) -> Headers:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return Headers(pairs)


def _cookies(headers: Headers) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


async def _to_login(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        await RedirectResponse(LOGIN, status_code=303)(scope, receive, send)


async def _refuse(error: SutazaiError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        answer = JSONResponse({"error": error.as_dict()}, status_code=error.http_status)
        await answer(scope, receive, send)


def _with_safety(send: Send) -> Send:
    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            message = {**message, "headers": [*headers, *SAFETY]}  # type: ignore[misc]
        await send(message)

    return sending  # type: ignore[return-value]
