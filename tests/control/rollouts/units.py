"""Units as control and host tell them, in few words."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import HostStatus, InstanceStatus, State, UnitStatus


def desired(name: str, temperature: Temperature = Temperature.HOT) -> DesiredUnit:
    return DesiredUnit(
        name=name, kind=Kind.AGENT, version="v", runtime=Runtime.PYTHON, temperature=temperature
    )


def unit(name: str, version: str = "old", state: State = State.HEALTHY, **more: Any) -> UnitStatus:
    """A unit with one instance, unless it sleeps."""
    instance = InstanceStatus(
        instance=f"{name}-1", pid=7, state=state, since=1.0, version=version, **more.pop("one", {})
    )
    return UnitStatus(
        name=name,
        version=version,
        kind=Kind.AGENT,
        runtime=Runtime.PYTHON,
        temperature=Temperature.HOT,
        state=state,
        since=1.0,
        instances=() if state is State.ASLEEP else (instance,),
        **more,
    )


def host(*units: UnitStatus, **more: Any) -> HostStatus:
    return HostStatus(pid=1, revision=1, keeper=True, units=units, limits="none", **more)
