"""Logging in: by a one-time link, or by the token typed into a form."""

from __future__ import annotations

import hmac
import html
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sutazai.fleet.errors import Unauthenticated
from sutazai.fleet.tickets import LINK, SESSION, Ticket
from sutazai.web.access import LOGIN
from sutazai.web.look.page import plain_page

SESSION_SECONDS = 7 * 86_400
USED_MAX = 10_000


@dataclass
class Login:
    """Gives sessions to those who prove that they may read the token.

    Args:
        token: the admin token.
        cookie: the name of the session's cookie.
        fleet: the fleet's name, for the page.
    """

    token: str
    cookie: str
    fleet: str
    _used: dict[str, int] = field(default_factory=dict)

    def router(self) -> APIRouter:
        """The routes of the login page."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(LOGIN, self.page, methods=["GET"])
        router.add_api_route(LOGIN, self.submit, methods=["POST"])
        router.add_api_route("/logout", self.leave, methods=["POST"])
        return router

    async def page(self, code: str = "") -> Response:
        """The form, or with a good ``code`` the way in. A code opens the door once."""
        if not code:
            return self._form("")
        try:
            self._use(Ticket.read(code, LINK, token=self.token, now=time.time()))
        except Unauthenticated as error:
            return self._form(f"This link cannot be used: {error.message}.", status=401)
        return self._in()

    async def submit(self, token: Annotated[str, Form()] = "") -> Response:
        """What the form sends."""
        given = token.strip().encode(errors="replace")
        if not hmac.compare_digest(given, self.token.encode()):
            return self._form("That is not the token of this fleet.", status=401)
        return self._in()

    async def leave(self) -> Response:
        """Forgets the session in this browser."""
        answer = RedirectResponse(LOGIN, status_code=303)
        answer.delete_cookie(self.cookie)
        return answer

    def _use(self, ticket: Ticket) -> None:
        now = time.time()
        self._used = {nonce: until for nonce, until in self._used.items() if until > now}
        if ticket.nonce in self._used or len(self._used) >= USED_MAX:
            raise Unauthenticated("it was used already")
        self._used[ticket.nonce] = ticket.expires

    def _in(self) -> Response:
        session = Ticket(SESSION, int(time.time()) + SESSION_SECONDS, secrets.token_urlsafe(12))
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            self.cookie,
            session.signed(self.token),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _form(self, trouble: str, *, status: int = 200) -> Response:
        said = f'<p role="alert">{html.escape(trouble)}</p>' if trouble else ""
        body = f"""
            <h1>{html.escape(self.fleet)}</h1>
            <p>Run <code>sutazai dashboard</code> for a login link, or paste the admin token: the
            file <code>token</code> in the fleet's state folder.</p>
            {said}
            <form method="post" action="{LOGIN}">
              <label for="token">Token</label>
              <input id="token" name="token" type="password" autocomplete="current-password"
                     required autofocus>
              <button type="submit">Log in</button>
            </form>"""
        return HTMLResponse(plain_page("Log in", body), status_code=status)
