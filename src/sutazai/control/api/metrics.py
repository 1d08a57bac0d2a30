"""Metrics as Prometheus reads them, and their history."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from sutazai.control.api.parts import PartsDep
from sutazai.control.metrics.collecting import peer_text
from sutazai.observe import history
from sutazai.observe.prometheus.parsing import parse_labels
from sutazai.observe.prometheus.scraping import PATHS, targets
from sutazai.wire.exposition import CONTENT_TYPE

HOUR = 3600.0

router = APIRouter(tags=["metrics"])
scraped = APIRouter(tags=["metrics"])
"""Outside of the API's prefix: where everybody looks for metrics."""


@scraped.get(PATHS["sutazai-control"], response_class=Response)
async def control(parts: PartsDep) -> Response:
    """Of control, as Prometheus reads them."""
    return Response(await parts.metrics.own(), media_type=CONTENT_TYPE)


@scraped.get(PATHS["sutazai-host"], response_class=Response)
async def host(parts: PartsDep) -> Response:
    """Of the host, which is asked now."""
    return Response(await peer_text(parts.host), media_type=CONTENT_TYPE)


@scraped.get(PATHS["sutazai-gateway"], response_class=Response)
async def gateway(parts: PartsDep) -> Response:
    """Of the gateway, which is asked now."""
    return Response(await peer_text(parts.gateway), media_type=CONTENT_TYPE)


@router.get("/prometheus/targets")
async def prometheus_targets(parts: PartsDep) -> list[dict[str, Any]]:
    """The three of them, for Prometheus' `http_sd_configs`."""
    ports = parts.settings.config.ports
    return targets(ports.url(ports.control).removeprefix("http://"))


@router.get("/history")
async def read_history(
    parts: PartsDep,
    name: str,
    labels: str = "",
    start: Annotated[float | None, Query(alias="from")] = None,
    end: Annotated[float | None, Query(alias="to")] = None,
    points: Annotated[int, Query(ge=1, le=2_000)] = 300,
) -> list[dict[str, Any]]:
    """The series of a metric that have these labels (`agent="planner"`) at least, over the last
    hour or `from` and `to` (seconds since 1970): mean, lowest and highest value of each step.
    Counters are kept as their growth a second."""
    now = time.time()
    end = now if end is None else end
    found = await parts.history.read(
        history.Query(
            name=name,
            labels=parse_labels(labels),
            start=end - HOUR if start is None else start,
            end=end,
            now=now,
            points=points,
        )
    )
    return [{**asdict(one), "labels": dict(one.labels)} for one in found]
