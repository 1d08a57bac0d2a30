"""The files that runs wrote, as downloads."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response, StreamingResponse

from sutazai.client import Control
from sutazai.fleet.errors import SutazaiError

SAFETY = {"content-security-policy": "sandbox", "cache-control": "no-store"}
"""Agents wrote it: it is never shown as a page of ours."""


def downloads(control: Control) -> APIRouter:
    """The one route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/work/runs/{run_id}/artifacts/{name:path}")
    async def artifact(run_id: str, name: str) -> Response:
        body = control.pieces(f"/runs/{quote(run_id, safe='')}/artifacts/{quote(name)}")
        try:
            first = await anext(body, b"")  # so that a refusal comes before the answer begins
        except SutazaiError as error:
            return JSONResponse({"error": error.as_dict()}, status_code=error.http_status)
        named = f"attachment; filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}"
        return StreamingResponse(
            _whole(first, body),
            media_type="application/octet-stream",
            headers={"content-disposition": named, **SAFETY},
        )

    return router


async def _whole(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()
