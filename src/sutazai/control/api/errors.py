"""The one form in which errors leave: ``{"error": {"code", "message", "hint"?, "data"?}}``."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from sutazai.fleet.errors import BadInput, Failed, NotFound, QueueFull, SutazaiError

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Makes every error of ``app`` one of ours."""
    app.add_exception_handler(SutazaiError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def error_json(error: SutazaiError, status: int | None = None) -> JSONResponse:
    """An error as a response."""
    headers = {"retry-after": "1"} if isinstance(error, QueueFull) else None
    return JSONResponse(
        {"error": error.as_dict()}, status_code=status or error.http_status, headers=headers
    )


async def _ours(request: Request, error: Exception) -> JSONResponse:
    return error_json(error if isinstance(error, SutazaiError) else Failed(str(error)))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    places = ["/".join(map(str, fault["loc"])) for fault in faults]
    told = "; ".join(
        f"{place}: {fault['msg']}" for place, fault in zip(places, faults, strict=True)
    )
    return error_json(BadInput(f"the request cannot be used: {told}", places=places))


async def _http(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself: unknown paths and methods, bodies that are no JSON."""
    if isinstance(error.__cause__, SutazaiError):
        return error_json(error.__cause__)  # as a body that proved too large while it was read
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = f"{request.method} {request.url.path}"
    if status == 404:
        return error_json(NotFound(f"there is no {what}", hint="see /api/v1/openapi.json"))
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return error_json(BadInput(f"{what}: {detail}"), status)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_json(Failed(f"control failed: {type(error).__name__}", hint="see control's log"))
