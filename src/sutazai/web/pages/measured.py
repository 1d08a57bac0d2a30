"""What was measured of an agent over the last hour, drawn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from sutazai.client import Control
from sutazai.fleet.units import format_size
from sutazai.web.look.chart import Line, chart

HOUR = 3600.0
POINTS = 180


async def measured(control: Control, agent: str) -> str:
    """Its memory and its processor time."""
    now = time.time()
    drawn = (
        await _chart(control, agent, "Memory", "sutazai_agent_memory_bytes", format_size, now),
        await _chart(control, agent, "CPU", "sutazai_agent_cpu_seconds_total", _cores, now),
    )
    return f'<div class="grid halves">{"".join(drawn)}</div>'


async def _chart(
    control: Control, agent: str, title: str, name: str, said: Callable[[float], str], now: float
) -> str:
    labels = f"agent={json.dumps(agent, ensure_ascii=False)}"
    start = now - HOUR
    query = {"name": name, "labels": labels, "from": start, "to": now, "points": POINTS}
    found = await control.get("/history", **query)
    return chart(f"{title}, last hour", [_line(one) for one in found], said, start=start, end=now)


def _line(one: dict[str, Any]) -> Line:
    return Line(times=one["times"], values=one["mean"], step=one["step"])


def _cores(value: float) -> str:
    return f"{value * 100:.3g} % of a core"
