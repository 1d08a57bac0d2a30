"""What it costs to see everything.

    python -m benchmarks.observe [--json OUT] [--requests N] [--rest SECONDS] [--agents N]

- ``cpu_us_per_request_added``: microseconds of the gateway's CPU time a request that metrics and
  call records add: the gateway as it is beside one without them, under the same load by turns
  (16 clients that ask again as soon as they are answered; by /proc/PID/stat).
- ``rest_core_share``: the share of one core that all processes of a fleet take together while its
  150 hot agents have no work, history and alerts on.
- ``overview_load_seconds``: from the address to the last of 1,000 agents on the dashboard's first
  page, in Chromium, the median of five.
- ``history_bytes_per_agent_day``: the history's file after a simulated day of 150 agents whose
  values do not compress, divided by the agents.
- ``series``: of 150 agents and 55 services that do everything that can be told; ``series_at_rest``
  are those of the fleet that has no work.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.observed.calls import added, report
from benchmarks.observed.looking import overview
from benchmarks.observed.rest import at_rest
from sutazai.observe.history.tiers import TIERS
from tests.observe.history.simulated import AGENTS, size_after
from tests.observe.prometheus.fullest import control_text, gateway_text, host_text

DAY = 86_400


def of_a_day() -> dict[str, Any]:
    """Bytes of history for each agent."""
    with tempfile.TemporaryDirectory() as folder:
        size = size_after(Path(folder) / "history.sqlite", TIERS, DAY // TIERS[0].step)
    return {"history_bytes_per_agent_day": round(size / AGENTS)}


def told() -> dict[str, Any]:
    """How many series there are at most."""
    lines = "".join((host_text(), gateway_text(), control_text())).splitlines()
    return {"series": sum(not line.startswith("#") for line in lines)}


async def measure(requests: int, rest: float, agents: int) -> dict[str, Any]:
    return {
        "load_average": os.getloadavg()[0],
        **await added(requests),
        **await at_rest(AGENTS, rest),
        **await overview(agents),
        **of_a_day(),
        **told(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What metrics, history and the dashboard cost")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--requests", type=int, default=100_000, help="of each gateway")
    parser.add_argument("--rest", type=float, default=120.0, help="seconds without work")
    parser.add_argument("--agents", type=int, default=1_000, help="on the overview")
    given = parser.parse_args()
    report(uvloop.run(measure(given.requests, given.rest, given.agents)), given.json)


if __name__ == "__main__":
    main()
