"""Puts the dashboard together and serves it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.types import ASGIApp

from sutazai.client import Control
from sutazai.web.access import Access
from sutazai.web.feed import Feed
from sutazai.web.login import Login
from sutazai.web.pages import (
    agent,
    agents,
    alerts,
    dead,
    drift,
    events,
    gateway,
    overview,
    revisions,
    rollouts,
    run,
    schedules,
    task,
    work,
)
from sutazai.web.pages.artifacts import downloads

RECONNECT = 10.0
"""Seconds for which a browser that lost its connection finds its page as it left it."""


def make_app(control: Control, *, token: str, fleet: str, host: str, port: int) -> ASGIApp:
    """The dashboard behind its guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    cookie = f"sutazai-{port}"  # cookies are the same for all ports of one host
    app.include_router(Login(token, cookie, fleet).router())
    app.add_api_route("/health", _health)
    feed = Feed(control)
    for module in (overview, agents, events):
        module.install(feed)
    for page in (agent, alerts, dead, drift, gateway, revisions, rollouts, run, schedules):
        page.install(feed, control)
    for page in (task, work):
        page.install(feed, control)
    app.include_router(downloads(control))
    ui.run_with(
        app,
        title="SutazAI",
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT,
        binding_refresh_interval=None,
    )
    return Access(app, token=token, cookie=cookie, own_host=host)


async def _health() -> dict[str, str]:
    return {"status": "healthy"}


async def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = _Server(_config(app))
    async with asyncio.TaskGroup() as group:
        stop = group.create_task(_stop(server, stopping), name="stop the server")
        await server.serve(sockets=[listener])
        stop.cancel()


async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=1000,
        timeout_graceful_shutdown=1,
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: connections that stay open must not keep the process."""
        yield
