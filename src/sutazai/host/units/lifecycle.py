"""What to do next about one unit. Pure: what is seen goes in, actions come out.

The rules, in order:

1. A unit that nobody wants ends all its instances.
2. Instances of another version are replaced: first the new one where both fit beside each other
   (each has a socket of its own), first the old one's end where they would share a port.
3. What is missing starts, unless the unit failed, has to wait (back-off), or depends on something
   that is not healthy yet.
4. Failed checks in a row end an instance, and so does a start that takes longer than its grace.
"""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.status import State
from sutazai.host.units.backoff import Backoff


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One instance as it is now. ``since`` is the time of its start."""

    instance: str
    version: str
    state: State
    since: float
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One unit as it is now; times are seconds of one monotonic clock.

    ``unwanted`` is the reason in words where fewer instances are wanted than run.
    """

    now: float
    wanted: int
    version: str
    side_by_side: bool
    grace: float
    failures_allowed: int
    backoff: Backoff
    unwanted: str = "no longer wanted"
    blocked_by: tuple[str, ...] = ()
    instances: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Start:
    """Start one instance."""


@dataclass(frozen=True)
class Stop:
    """End one instance; ``wanted`` says that its end is no fault of its own."""

    instance: str
    reason: str
    wanted: bool


@dataclass(frozen=True)
class LookAgain:
    """Nothing to do until then."""

    at: float


Action = Start | Stop | LookAgain


def decide(seen: Observation) -> list[Action]:
    """The actions that bring the unit nearer to what is wanted."""
    living = [one for one in seen.instances if one.state is not State.STOPPING]
    sick = [stop for one in living if (stop := _stop_of_sick(seen, one)) is not None]
    sick_names = {stop.instance for stop in sick}
    well = [one for one in living if one.instance not in sick_names]
    return [*sick, *_surplus(seen, well), *_starts(seen, well), *_deadlines(seen, well)]


def _stop_of_sick(seen: Observation, one: Seen) -> Stop | None:
    if one.state is State.STARTING and seen.now >= one.since + seen.grace:
        return Stop(one.instance, f"not healthy {seen.grace:.0f} s after its start", wanted=False)
    if one.state is State.UNHEALTHY and one.failures >= seen.failures_allowed:
        return Stop(one.instance, f"{one.failures} health checks in a row failed", wanted=False)
    return None


def _surplus(seen: Observation, well: list[Seen]) -> list[Action]:
    current = [one for one in well if one.version == seen.version]
    old = [one for one in well if one.version != seen.version]
    stops: list[Action] = [
        Stop(one.instance, seen.unwanted, wanted=True) for one in current[seen.wanted :]
    ]
    healthy = sum(one.state is State.HEALTHY for one in current)
    if not seen.side_by_side or seen.wanted == 0 or healthy >= seen.wanted:
        stops += [Stop(one.instance, "replaced by a new version", wanted=True) for one in old]
    return stops


def _starts(seen: Observation, well: list[Seen]) -> list[Action]:
    if seen.backoff.failed or seen.blocked_by:
        return []
    occupied = [one for one in seen.instances if one.state is State.STOPPING]
    counted = [one for one in well if one.version == seen.version]
    if not seen.side_by_side:
        counted = [*well, *occupied]
    missing = seen.wanted - len(counted)
    if missing > 0 and seen.now < seen.backoff.start_at:
        return [LookAgain(seen.backoff.start_at)]
    return [Start() for _ in range(max(0, missing))]


def _deadlines(seen: Observation, well: list[Seen]) -> list[Action]:
    starting = [one.since + seen.grace for one in well if one.state is State.STARTING]
    return [LookAgain(min(starting))] if starting else []
