"""What to do next about one unit. Pure: what is seen goes in, actions come out.

The rules, in order:

1. A unit that nobody wants ends all its instances.
2. Instances are replaced that are of another version, or older than a dependency with which they
   are to be restarted: first the new one where both fit beside each other (each has a socket of
   its own), first the old one's end where they would share a port.
3. What has grown old is recycled in the same way, one instance of a unit at a time; it takes no
   more calls once the new one is well, and ends when it has nothing in hand.
4. What is missing starts, unless the unit failed, has to wait (back-off, its turn), or depends on
   something that is not healthy yet.
5. Failed checks in a row end an instance, and so does a start that takes longer than its grace.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.status import State
from sutazai.fleet.units import format_duration
from sutazai.host.units.backoff import Backoff

SPREAD = 0.1
"""The part of its age by which an instance may be recycled later, so that not all are at once."""
MANY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One instance as it is now. ``since`` is the time of its start.

    ``draining`` takes no more calls, and ``drained`` has nothing in hand any more either.
    """

    instance: str
    version: str
    state: State
    since: float
    failures: int = 0
    draining: bool = False
    drained: bool = False


@dataclass(frozen=True)
class Renewed:
    """A dependency, and since when all its instances are new ones."""

    name: str
    since: float


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One unit as it is now; times are seconds of one monotonic clock.

    ``unwanted`` is the reason in words where fewer instances are wanted than run. ``turns`` is how
    many may start now. ``renewed`` are the dependencies with which it is to be restarted.
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
    turns: int = MANY
    renewed: tuple[Renewed, ...] = ()
    recycle_after: float | None = None
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
class Drain:
    """Give one instance no more calls, and let it finish what it has; it is ``age`` seconds old."""

    instance: str
    age: float


@dataclass(frozen=True)
class LookAgain:
    """Nothing to do until then."""

    at: float


Action = Start | Stop | Drain | LookAgain


def decide(seen: Observation) -> list[Action]:
    """The actions that bring the unit nearer to what is wanted."""
    sick = list(_sick(seen))
    well = _well(seen)
    starts: list[Action] = [Start() for _ in range(min(missing(seen), seen.turns))]
    return [*sick, *_surplus(seen, well), *starts, *_deadlines(seen, well)]


def missing(seen: Observation) -> int:
    """How many instances are to start now, as soon as it is their turn."""
    waits = seen.backoff.failed or seen.blocked_by or seen.now < seen.backoff.start_at
    return 0 if waits else _lacking(seen, _well(seen))


def recycled_at(seen: Observation, one: Seen) -> float | None:
    """When an instance is to be replaced for its age; None where it may grow as old as it likes."""
    if seen.recycle_after is None:
        return None
    share = zlib.crc32(one.instance.encode()) / 2**32
    return one.since + seen.recycle_after * (1 + SPREAD * share)


def _living(seen: Observation) -> list[Seen]:
    return [one for one in seen.instances if one.state is not State.STOPPING]


def _sick(seen: Observation) -> Iterable[Stop]:
    return (stop for one in _living(seen) if (stop := _stop_of_sick(seen, one)) is not None)


def _well(seen: Observation) -> list[Seen]:
    return [one for one in _living(seen) if _stop_of_sick(seen, one) is None]


def _stop_of_sick(seen: Observation, one: Seen) -> Stop | None:
    if one.state is State.STARTING and seen.now >= one.since + seen.grace:
        return Stop(one.instance, f"not healthy {seen.grace:.0f} s after its start", wanted=False)
    if one.state is State.UNHEALTHY and one.failures >= seen.failures_allowed:
        return Stop(one.instance, f"{one.failures} health checks in a row failed", wanted=False)
    return None


def _outdated(seen: Observation, one: Seen) -> str:
    """Why an instance is to be replaced whatever its age; empty where it is not."""
    if one.version != seen.version:
        return "replaced by a new version"
    newer = [needed.name for needed in seen.renewed if one.since < needed.since]
    return f"{newer[0]} was restarted" if newer else ""


def _old(seen: Observation, well: list[Seen]) -> Seen | None:
    """The one instance that is being recycled, or should be: the oldest, while all others run."""
    present = [one for one in well if not _outdated(seen, one)]
    if leaving := [one for one in present if one.draining]:
        return leaving[0]
    aged = [
        one
        for one in present
        if one.state is State.HEALTHY
        and (at := recycled_at(seen, one)) is not None
        and seen.now >= at
    ]
    return min(aged, key=lambda one: one.since, default=None)


def _kept(seen: Observation, well: list[Seen]) -> list[Seen]:
    """The instances that are to stay."""
    old = _old(seen, well)
    return [one for one in well if one is not old and not _outdated(seen, one)]


def _surplus(seen: Observation, well: list[Seen]) -> list[Action]:
    old, kept = _old(seen, well), _kept(seen, well)
    outdated = [(one, why) for one in well if (why := _outdated(seen, one))]
    actions: list[Action] = [
        Stop(one.instance, seen.unwanted, wanted=True) for one in kept[seen.wanted :]
    ]
    healthy = sum(one.state is State.HEALTHY for one in kept)
    if not seen.side_by_side or seen.wanted == 0 or healthy >= seen.wanted:
        actions += [Stop(one.instance, why, wanted=True) for one, why in outdated]
        actions += _end_of_old(seen, old) if old else ()
    return actions


def _end_of_old(seen: Observation, old: Seen) -> Iterable[Action]:
    age = seen.now - old.since
    if seen.wanted == 0:
        yield Stop(old.instance, seen.unwanted, wanted=True)
    elif old.drained:
        yield Stop(old.instance, f"recycled after {format_duration(age)}", wanted=True)
    elif not old.draining:
        yield Drain(old.instance, age)


def _lacking(seen: Observation, well: list[Seen]) -> int:
    occupied = [one for one in seen.instances if one.state is State.STOPPING]
    counted = _kept(seen, well) if seen.side_by_side else [*well, *occupied]
    return max(0, seen.wanted - len(counted))


def _deadlines(seen: Observation, well: list[Seen]) -> list[Action]:
    times = [one.since + seen.grace for one in well if one.state is State.STARTING]
    times += [at for one in well if (at := recycled_at(seen, one)) is not None and at > seen.now]
    if seen.now < seen.backoff.start_at and not seen.backoff.failed and not seen.blocked_by:
        times += [seen.backoff.start_at] if _lacking(seen, well) else []
    return [LookAgain(min(times))] if times else []
