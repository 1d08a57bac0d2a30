"""Why an agent is in its state, in a sentence for people. Pure: the time comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sutazai.fleet.spec import Agent, Runtime, Temperature
from sutazai.fleet.status import AgentStatus, Event, State
from sutazai.fleet.units import format_duration
from sutazai.host.units.backoff import delay

ENDS = ("ended", "failed")
"""Kinds of events that tell of an instance which ended though nobody wanted that."""

LINES, LINE_MAX = 2, 200
"""How many of its last lines a sentence holds, and how much of each."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one agent.

    Args:
        events: its own, oldest first.
        now: seconds since 1970.
    """

    status: AgentStatus
    spec: Agent
    events: Sequence[Event]
    now: float

    def clock(self, at: float) -> str:
        """The local time of ``at``, with the date where that is not today's."""
        moment, today = datetime.fromtimestamp(at), datetime.fromtimestamp(self.now).date()
        return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")

    @property
    def reason(self) -> str:
        return self.status.reason or "no reason is known"


def why(known: Known) -> str:
    """One sentence without a full stop: why it is so, and what changes it where something can."""
    tell = _TELLERS.get(known.status.state)
    return tell(known) if tell else known.reason


def _asleep(known: Known) -> str:
    status, since = known.status, known.clock(known.status.since)
    starts = "starts" if status.temperature is Temperature.COLD else "wakes"
    ended_so = status.last_exit is not None and status.reason == status.last_exit.reason
    if status.reason and not ended_so:  # memory was short, as the reason says
        return f"{status.reason}, at {since}; the next call {starts} it"
    if status.temperature is Temperature.HOT:
        return "the fleet file wants no instance of it (`replicas: 0`)"
    trouble = f"; its last instance {status.reason}" if status.reason else ""
    return (
        f"{status.temperature}: nobody has asked for it since {since}; "
        f"the next call {starts} it{trouble}"
    )


def _healthy(known: Known) -> str:
    since = min((one.since for one in known.status.instances), default=known.status.since)
    told = "its last health check was good" if _is_asked(known.spec) else "nothing tells its health"
    idle = ""
    if known.status.temperature is not Temperature.HOT:
        idle = f"; it goes to sleep after {format_duration(known.spec.idle_after)} without work"
    if any(one.attached for one in known.status.instances):
        idle += "; its container was started by somebody else, and is never stopped from here"
    return f"it has run since {known.clock(since)}, and {told}{idle}"


def _unhealthy(known: Known) -> str:
    failures = max((one.failures for one in known.status.instances), default=0)
    allowed = known.spec.health.failures
    return (
        f"its health check failed {_times(max(failures, 1))}: {known.reason}; "
        f"after {allowed} in a row it is started anew"
    )


def _starting(known: Known) -> str:
    if not known.status.instances:
        return "it is about to be started"
    since, grace = known.status.instances[-1].since, format_duration(known.spec.health.grace)
    last = f"; the last one: {known.status.reason}" if known.status.reason else ""
    return (
        f"its process was started at {known.clock(since)} and has not passed a health check yet, "
        f"for which it has {grace}{last}"
    )


def _waiting(known: Known) -> str:
    waits = known.spec.depends_on or known.reason.startswith("waits for")
    return f"{known.reason}, and starts by itself after that" if waits else known.reason


def _stopping(known: Known) -> str:
    return f"it was told to end, and has {format_duration(known.spec.stop_timeout)} for that"


def _backing_off(known: Known) -> str:
    pause = delay(_ends_in_a_row(known), jitter=0.5)
    return f"{_ended(known)}; it is started again {format_duration(pause)} after that{_said(known)}"


def _failed(known: Known) -> str:
    start = f"sutazai agents start {known.status.name}"
    return f"{_ended(known)}; it is left alone until `{start}`{_said(known)}"


def _stopped(known: Known) -> str:
    asked = next((event for event in reversed(known.events) if event.kind == "stop"), None)
    when = f" at {known.clock(asked.at)}" if asked else ""
    return f"stopped by request{when}, until `sutazai agents start {known.status.name}`"


def _not_installed(known: Known) -> str:
    return f"{known.reason}; once it is installed it is found by itself"


def _external(known: Known) -> str:
    return f"somebody else runs it, at {known.spec.url}; from here it is called and not watched"


def _is_asked(spec: Agent) -> bool:
    """Whether something tells its health, beyond that its process runs."""
    words = (*spec.command, *spec.environment.values())
    declared = spec.health.path is not None or any("{port}" in word for word in words)
    return spec.runtime is Runtime.PYTHON or declared


def _ended(known: Known) -> str:
    """How often it ended in a row, how fast, and how the last time."""
    ends = [event for event in known.events if event.kind in ENDS]
    times = _ends_in_a_row(known)
    last = known.status.last_exit
    at = last.at if last else known.status.since
    within = ""
    if 1 < times <= len(ends):
        within = f" within {format_duration(max(1, round(at - ends[-times].at)))}"
    reason = last.reason if last else known.reason
    return f"ended {_times(times)}{within}, last at {known.clock(at)}: {reason}"


def _ends_in_a_row(known: Known) -> int:
    """As its host counted them: ends without a healthy minute between."""
    told = [event.data.get("ends_in_a_row") for event in known.events if event.kind in ENDS]
    return told[-1] if told and isinstance(told[-1], int) else 1


def _said(known: Known) -> str:
    lines = known.status.last_exit.lines[-LINES:] if known.status.last_exit else ()
    return f"; last lines: {' / '.join(line[:LINE_MAX] for line in lines)}" if lines else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


_TELLERS: dict[State, Callable[[Known], str]] = {
    State.ASLEEP: _asleep,
    State.HEALTHY: _healthy,
    State.UNHEALTHY: _unhealthy,
    State.STARTING: _starting,
    State.WAITING: _waiting,
    State.STOPPING: _stopping,
    State.BACKING_OFF: _backing_off,
    State.FAILED: _failed,
    State.STOPPED: _stopped,
    State.NOT_INSTALLED: _not_installed,
    State.EXTERNAL: _external,
}
