"""What people write first: a proxy of Starlette and httpx, about as short as it can be.

Runs in the peers' own environment, which has no `sutazai`: ``uvicorn starlette_proxy:app``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

_UNBOUNDED = httpx.Limits(max_connections=None, max_keepalive_connections=None)
_PASSED_ON = ("content-type", "authorization")

client = httpx.AsyncClient(base_url=os.environ["UPSTREAM"], limits=_UNBOUNDED, timeout=600)


async def relay(request: Request) -> StreamingResponse:
    headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    asked = client.build_request(
        request.method, request.url.path, headers=headers, content=await request.body()
    )
    answer = await client.send(asked, stream=True)
    kept = {"content-type": answer.headers["content-type"]}
    if length := answer.headers.get("content-length"):
        kept["content-length"] = length
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, kept, background=BackgroundTask(answer.aclose)
    )


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with client:
        yield


app = Starlette(routes=[Route("/{path:path}", relay, methods=["GET", "POST"])], lifespan=lifespan)
