"""Hard guards: what ends a rollout at once, without waiting for statistics. Pure.

Each alarm names its guard, says what was seen and what is borne, and whose trouble it is. What
hits both versions alike, or comes with a dead LLM, is the environment's: such an alarm aborts
nothing and makes the verdict inconclusive. What green has alone is green's, as a crash.

Guards are looked at every few seconds, so one that counts asks for counts that chance brings once
in a million looks while the version keeps to its criterion, by the tail of the binomial
distribution (Clopper and Pearson, Biometrika 26, 1934).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sutazai.fleet.rollout_criteria import AutomaticRollback, RolloutCriteria
from sutazai.rollout.evidence.tallies import Tally

RARE = 1e-6
AS_BAD = 0.5
"""Blue has the same trouble where its share of failures is at least this part of green's."""

TAKEN_LEAST = 5
"""So much work at least a version must have taken that is said to finish too little of it."""


class Guard(StrEnum):
    CRASH = "crash"
    OUT_OF_MEMORY = "out-of-memory"
    MEMORY = "memory"
    HEALTH_CHECKS = "health-checks"
    BREAKER_TRIPS = "breaker-trips"
    ERRORS = "errors"
    LLM_FAILURES = "llm-failures"
    DEAD_CANARY = "dead-canary"
    TASKS = "tasks"
    HOST_PRESSURE = "host-pressure"


class Cause(StrEnum):
    """Whose trouble it is."""

    GREEN = "green"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What was seen of one agent in one version, in the last minute.

    Attributes:
        crashes: instances that ended by themselves, other than for want of memory.
        out_of_memory: instances that the kernel killed at their own limit. Those that the host
            ended because the machine was short count as neither.
        memory: the fullest instance, as a share of its limit; 0 where it has none.
        memory_bytes: what its instances hold.
        failed_checks: health checks in a row that failed, of the worst instance.
        breaker_trips: how often an LLM backend's breaker opened by its calls, or that of a model
            that it asks for. Of the old version, how often others than green had a part in it.
        requests: requests through the front door, and those that failed.
        llm: LLM calls, and those that failed.
        answered: requests and tasks that it took with a good status. Those of the old version, and
            of green that has finished nothing at all, are since the rollout began.
        finished: tasks of these that it completed.
    """

    crashes: int = 0
    out_of_memory: int = 0
    memory: float = 0.0
    memory_bytes: int = 0
    failed_checks: int = 0
    breaker_trips: int = 0
    requests: Tally = field(default_factory=Tally)
    llm: Tally = field(default_factory=Tally)
    answered: int = 0
    finished: int = 0

    def __add__(self, other: Signs) -> Signs:
        """Of instances of both, the worst, or all together where it is a count."""
        return Signs(
            crashes=self.crashes + other.crashes,
            out_of_memory=self.out_of_memory + other.out_of_memory,
            memory=max(self.memory, other.memory),
            memory_bytes=max(self.memory_bytes, other.memory_bytes),
            failed_checks=max(self.failed_checks, other.failed_checks),
            breaker_trips=self.breaker_trips + other.breaker_trips,
            requests=self.requests + other.requests,
            llm=self.llm + other.llm,
            answered=self.answered + other.answered,
            finished=self.finished + other.finished,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at both versions, by agent, and at what they share."""

    green: Mapping[str, Signs]
    blue: Mapping[str, Signs]
    llm_down: bool = False
    host_pressure: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """A guard that has tripped; ``agent`` is empty where it concerns the machine."""

    guard: Guard
    agent: str
    seen: str
    borne: str
    cause: Cause

    def __str__(self) -> str:
        who = f"{self.agent}: " if self.agent else ""
        whose = "" if self.cause is Cause.GREEN else "; not the new version's own"
        return f"{who}{self.seen}, borne: {self.borne} (guard `{self.guard}`{whose})"


def alarms(criteria: RolloutCriteria, sight: Sight) -> tuple[Alarm, ...]:
    """All that have tripped. The rollout is to be aborted if any is green's."""
    found = [
        alarm
        for agent, green in sorted(sight.green.items())
        for look in _LOOKS
        if (alarm := look(_Pair(agent, green, sight), criteria.rollback))
    ]
    if sight.host_pressure:
        found.append(_pressure(sight, criteria.phases.memory))
    return tuple(found)


def is_burst(tally: Tally, borne: float) -> bool:
    """Whether chance hardly ever brings so many failures to a version that keeps to ``borne``."""
    if tally.share <= borne:
        return False
    return _tail(tally.of, tally.bad, borne) < RARE


@dataclass(frozen=True, slots=True)
class _Pair:
    """One agent in both versions."""

    agent: str
    green: Signs
    sight: Sight

    @property
    def blue(self) -> Signs:
        return self.sight.blue.get(self.agent, Signs())

    def alarm(self, guard: Guard, seen: str, borne: str, *, shared: bool) -> Alarm:
        cause = Cause.ENVIRONMENT if shared else Cause.GREEN
        return Alarm(guard, self.agent, seen, borne, cause)


def _crash(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    if not pair.green.crashes:
        return None
    seen = f"crashed {_times(pair.green.crashes)}"
    return pair.alarm(Guard.CRASH, seen, "never", shared=pair.blue.crashes > 0)


def _out_of_memory(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    if not pair.green.out_of_memory:
        return None
    seen = f"ran out of memory {_times(pair.green.out_of_memory)}"
    return pair.alarm(Guard.OUT_OF_MEMORY, seen, "never", shared=pair.blue.out_of_memory > 0)


def _memory(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    if pair.green.memory <= borne.memory:
        return None
    seen = f"memory at {pair.green.memory:.0%} of its limit"
    shared = pair.blue.memory > borne.memory
    return pair.alarm(Guard.MEMORY, seen, f"{borne.memory:.0%}", shared=shared)


def _checks(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    if pair.green.failed_checks <= borne.failed_checks:
        return None
    seen = f"{pair.green.failed_checks} failed health checks in a row"
    shared = pair.sight.host_pressure or pair.blue.failed_checks > borne.failed_checks
    return pair.alarm(Guard.HEALTH_CHECKS, seen, f"{borne.failed_checks}", shared=shared)


def _trips(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    """They are the LLM's where others have a part in half of them. That no model can be had is no
    excuse: green alone may have brought that about, and what probes find then is others' too."""
    green, others = pair.green.breaker_trips, pair.blue.breaker_trips
    if green <= borne.breaker_trips:
        return None
    seen = f"{green} breaker trips in a minute"
    shared = others >= AS_BAD * green
    return pair.alarm(Guard.BREAKER_TRIPS, seen, f"{borne.breaker_trips}", shared=shared)


def _errors(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    green, blue, sight = pair.green.requests, pair.blue.requests, pair.sight
    if not is_burst(green, borne.errors):
        return None
    shared = sight.llm_down or sight.host_pressure or _is_as_bad(blue, green)
    seen = f"{green.bad} of {green.of} requests failed"
    return pair.alarm(Guard.ERRORS, seen, f"{borne.errors:.0%}", shared=shared)


def _llm(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    green, blue = pair.green.llm, pair.blue.llm
    if not is_burst(green, borne.llm_failures):
        return None
    shared = pair.sight.llm_down or _is_as_bad(blue, green)
    seen = f"{green.bad} of {green.of} LLM calls failed"
    return pair.alarm(Guard.LLM_FAILURES, seen, f"{borne.llm_failures:.0%}", shared=shared)


def _dead(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    """It answers, and nothing gets done. Where blue gets nothing done either, nothing is known."""
    green, blue, sight = pair.green, pair.blue, pair.sight
    if green.finished or not _finishes_less(green, blue):
        return None
    seen = f"took {green.answered} with a good status and finished none"
    shared = sight.llm_down or sight.host_pressure
    return pair.alarm(Guard.DEAD_CANARY, seen, _as_blue(blue), shared=shared)


def _tasks(pair: _Pair, borne: AutomaticRollback) -> Alarm | None:
    """Evidence compares some agents alone; this looks at each, with what it did before."""
    green, blue, sight = pair.green, pair.blue, pair.sight
    worse = _unfinished(green) - _unfinished(blue) > borne.errors
    if not green.finished or not worse or not _finishes_less(green, blue):
        return None
    seen = f"finished {green.finished} of {green.answered} that it took"
    shared = sight.llm_down or sight.host_pressure
    return pair.alarm(Guard.TASKS, seen, _as_blue(blue), shared=shared)


def _as_blue(blue: Signs) -> str:
    old = f"the old version finishes {blue.finished} of {blue.answered}"
    return f"what chance may bring while {old}"


def _unfinished(signs: Signs) -> float:
    return 1 - signs.finished / max(1, signs.answered, signs.finished)


def _finishes_less(green: Signs, blue: Signs) -> bool:
    """Whether chance hardly ever leaves green so little of what both finished: Fisher's exact test
    ("The logic of inductive inference", J. R. Stat. Soc. 98, 1935)."""
    if green.answered < TAKEN_LEAST:
        return False
    took, old = (max(one.answered, one.finished) for one in (green, blue))  # some tasks go on
    done, total = green.finished + blue.finished, 0.0
    for ours in range(green.finished, max(-1, done - old - 1), -1):
        ways = _log_ways(took, ours) + _log_ways(old, done - ours) - _log_ways(took + old, done)
        term = math.exp(ways)
        total += term
        if total >= RARE or term < total * 1e-9:
            break
    return total < RARE


def _log_ways(of: int, some: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)


_LOOKS: tuple[Callable[[_Pair, AutomaticRollback], Alarm | None], ...] = (
    _crash, _out_of_memory, _memory, _checks, _trips, _errors, _llm, _dead, _tasks,
)  # fmt: skip


def _pressure(sight: Sight, ratio: float) -> Alarm:
    """The machine's, unless green holds more than it may against blue, where that is awake."""
    beside = {name: one.memory_bytes for name, one in sight.blue.items() if one.memory_bytes}
    green = sum(each.memory_bytes for name, each in sight.green.items() if name in beside)
    blue = sum(beside.values())
    cause = Cause.GREEN if blue and green > ratio * blue else Cause.ENVIRONMENT
    held = f", the new version holds {green / blue:.2f} times the old one's" if blue else ""
    seen = f"the machine is short of memory or CPU{held}"
    return Alarm(Guard.HOST_PRESSURE, "", seen, f"{ratio:.2f} times", cause)


def _is_as_bad(blue: Tally, green: Tally) -> bool:
    return blue.bad > 1 and blue.share >= AS_BAD * green.share


def _tail(of: int, bad: int, share: float) -> float:
    """The chance of ``bad`` or more of ``of``, where each is bad with the chance ``share``.

    For ``bad`` above the mean; then the terms fall and the sum is soon complete.
    """
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    total = 0.0
    for term in _terms(of, bad, share):
        total += term
        if term < total * 1e-9:
            break
    return total


def _terms(of: int, bad: int, share: float) -> Iterator[float]:
    odds = share / (1 - share)
    ways = math.lgamma(of + 1) - math.lgamma(bad + 1) - math.lgamma(of - bad + 1)
    term = math.exp(ways + bad * math.log(share) + (of - bad) * math.log1p(-share))
    for count in range(bad, of + 1):
        yield term
        term *= (of - count) / (count + 1) * odds


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
