"""The units that belong to the house itself: gateway, control and, where installed, dashboard."""

from __future__ import annotations

import hashlib
import json
import sys

from sutazai import __version__
from sutazai.fleet.desired import DesiredUnit, Kind, Probe, Standing
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime

CHECK = 5.0
GRACE = 30.0


def planes(places: Places) -> list[DesiredUnit]:
    """What the host starts without being told: who could tell it is among them."""
    ports = json.loads(places.config.read_text())["ports"]
    control = f"http://{ports['host']}:{ports['control']}"
    found = [
        _plane("gateway", places, f"unix:{places.gateway_socket}", "/stats"),
        _plane("control", places, control, "/health"),
    ]
    if (web := ports.get("web")) is not None:
        dashboard = _plane("web", places, f"http://{ports['host']}:{web}", "/health")
        found.append(dashboard.model_copy(update={"standing": Standing.CRITICAL}))
    return found


def _plane(name: str, places: Places, address: str, path: str) -> DesiredUnit:
    command = (sys.executable, "-m", f"sutazai.{name}", str(places.state))
    version = hashlib.sha256(" ".join((__version__, address, *command)).encode()).hexdigest()
    return DesiredUnit(
        name=name,
        kind=Kind.PLANE,
        version=version[:16],
        runtime=Runtime.COMMAND,
        command=command,
        address=address,
        probe=Probe(path=path, interval=CHECK, grace=GRACE),
        standing=Standing.PROTECTED,
        stop_timeout=15.0,
    )
