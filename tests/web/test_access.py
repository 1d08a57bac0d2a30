"""Who gets to see pages: a browser of this machine with a session, and nobody else."""

from __future__ import annotations

import time

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from sutazai.fleet.tickets import LINK, SESSION, Ticket
from sutazai.web.access import Access
from sutazai.web.login import Login

TOKEN = "secret-token"
COOKIE = "sutazai-1"


def guarded() -> Access:
    """A dashboard of one page behind the guard."""
    app = FastAPI()
    app.include_router(Login(TOKEN, COOKIE, "my <fleet>").router())

    @app.get("/")
    async def page() -> str:
        return "what only the owner may see"

    @app.get("/_nicegui/library.js")
    async def library() -> str:
        return "the same everywhere"

    return Access(app, token=TOKEN, cookie=COOKIE, own_host="127.0.0.1")


@pytest.fixture
def browser() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(guarded())
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1")


def link(*, expires: float = 60.0) -> str:
    ticket = Ticket(LINK, int(time.time() + expires), "n0nce")
    return f"/login?code={ticket.signed(TOKEN)}"


async def test_without_a_session_every_page_leads_to_the_login(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await browser.get("/_nicegui/library.js")).status_code == 200


async def test_a_link_opens_the_door_once(browser: httpx.AsyncClient) -> None:
    assert (await browser.get(link())).headers["location"] == "/"
    assert "only the owner" in (await browser.get("/")).text

    browser.cookies.clear()
    again = await browser.get(link())
    assert again.status_code == 401
    assert "used already" in again.text


@pytest.mark.parametrize(
    "where",
    [link(expires=-1), "/login?code=guess", "/login?code=1.n.x"],
    ids=["expired", "guessed", "forged"],
)
async def test_a_bad_link_says_so_and_offers_the_form(
    browser: httpx.AsyncClient, where: str
) -> None:
    answer = await browser.get(where)

    assert answer.status_code == 401
    assert 'name="token"' in answer.text


async def test_the_token_in_the_form_opens_the_door_too(browser: httpx.AsyncClient) -> None:
    wrong = await browser.post("/login", data={"token": "guess"})
    right = await browser.post("/login", data={"token": f" {TOKEN}\n"})

    assert wrong.status_code == 401
    assert right.status_code == 303
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await browser.get("/")).status_code == 200


async def test_logging_out_closes_it(browser: httpx.AsyncClient) -> None:
    await browser.post("/login", data={"token": TOKEN})
    await browser.post("/logout")

    assert (await browser.get("/")).status_code == 303


async def test_a_session_of_another_fleet_is_none(browser: httpx.AsyncClient) -> None:
    foreign = Ticket(SESSION, int(time.time()) + 60, "n").signed("another token")
    browser.cookies.set(COOKIE, foreign)

    assert (await browser.get("/")).status_code == 303


async def test_pages_from_elsewhere_are_refused(browser: httpx.AsyncClient) -> None:
    await browser.post("/login", data={"token": TOKEN})

    rebound = await browser.get("/", headers={"host": "evil.example:1"})
    crossed = await browser.post("/logout", headers={"origin": "https://evil.example"})

    assert (rebound.status_code, crossed.status_code) == (403, 403)


async def test_no_page_may_stand_in_a_frame(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/login")).headers["x-frame-options"] == "DENY"


async def test_the_name_of_the_fleet_is_text(browser: httpx.AsyncClient) -> None:
    assert "my &lt;fleet&gt;" in (await browser.get("/login")).text


@pytest.mark.parametrize("cookie", ["", "sutazai-1=guess", 'sutazai-1="'])
@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", None, "https://evil.example"])
async def test_a_connection_without_a_session_is_closed(cookie: str, origin: str | None) -> None:
    sent: list[Message] = []
    headers = [("host", "127.0.0.1:1"), ("cookie", cookie)]
    if origin is not None:
        headers.append(("origin", origin))
    scope = {
        "type": "websocket",
        "path": "/_nicegui_ws/socket.io/",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded()(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]
