"""Serves the API over HTTP until control is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from sutazai import __version__
from sutazai.control.api import (
    agents,
    alerts,
    checkpoints,
    dead,
    drift,
    emergency,
    errors,
    events,
    from_agents,
    gateway,
    messages,
    metrics,
    revisions,
    rollouts,
    runs,
    schedules,
    status,
    tasks,
    workflows,
)
from sutazai.control.api.parts import Parts, PartsDep
from sutazai.control.app import run_background
from sutazai.control.guard import Guard

API = "/api/v1"
GRACE = 3
"""Whole seconds that answers have to end once control stops."""
CONNECTIONS = 1000


def make_app(parts: Parts) -> ASGIApp:
    """The API behind its guard."""
    app = FastAPI(
        title="SutazAI control",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # those pages would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    errors.install(app)
    v1 = APIRouter(prefix=API)
    for module in (
        status,
        agents,
        from_agents,
        gateway,
        tasks,
        messages,
        dead,
        runs,
        revisions,
        rollouts,
        workflows,
        schedules,
        alerts,
        checkpoints,
        drift,
        events,
        emergency,
        metrics,
    ):
        v1.include_router(module.router)
    app.include_router(v1)
    app.include_router(metrics.scraped)
    app.add_api_route("/", _index, include_in_schema=False, response_model=None)
    app.add_api_route("/health", _health, include_in_schema=False)
    settings = parts.settings
    return Guard(app, token=settings.token, own_host=settings.config.ports.host)


async def _index(parts: PartsDep, request: Request) -> dict[str, str] | Response:
    """What this is, for whoever comes by; a browser is sent to the dashboard."""
    ports = parts.settings.config.ports
    if ports.web is not None and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(ports.url(ports.web))
    return {
        "name": "SutazAI control",
        "version": __version__,
        "api": f"{API}/openapi.json",
        "token": "needed for everything else: `Authorization: Bearer TOKEN`",
    }


async def _health() -> dict[str, str]:
    return {"status": "healthy"}


async def serve(parts: Parts, listener: socket.socket) -> None:
    """Serves, with the background work, until SIGTERM or SIGINT; raises when a part fails."""
    stopping = parts.stopping
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = _Server(_config(make_app(parts)))
    async with asyncio.TaskGroup() as group:
        background = group.create_task(run_background(parts), name="background")
        group.create_task(_stop(server, stopping), name="stop the server")
        renewing = group.create_task(_renew(parts), name="start anew")
        await server.serve(sockets=[listener])
        background.cancel()
        renewing.cancel()


async def _renew(parts: Parts) -> None:
    """A new start begins as an end; whoever asked for it gets the answer first."""
    await parts.renewing.wait()
    parts.stopping.set()


async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",  # bounds the head of a request, which uvicorn's httptools does not
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: streams must end before the server can."""
        yield
