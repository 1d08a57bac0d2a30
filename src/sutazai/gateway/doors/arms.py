"""Agents that move to a new version: which of their units a piece of work began with, and what each
unit made of its calls. Pure.

A task stays with the version that began it: its next step, another attempt, what is asked for it
by others. Nothing is kept of agents that do not move.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable

import msgspec

from sutazai.fleet.arms import ArmCounts, bucket_of
from sutazai.gateway.callers.handed import PREFIX
from sutazai.gateway.doors.trips import Trips
from sutazai.gateway.records.call import CallRecord, Outcome

TOOLS = f"{PREFIX}tools"
"""The header by which an answer tells how many tools were called for it, and how many of these
calls failed: ``3 1``. Without it nothing is known of any."""

WORK_MAX = 20_000
"""Pieces of work that are remembered; those that were begun first are forgotten first."""

DIGITS_MAX = 6
"""Of a count that an answer tells."""


def has_result(answer: bytes) -> bool:
    """Whether the answer to an invocation is one: whoever says 200 and nothing else did nothing."""
    try:
        value = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return False
    return isinstance(value, dict) and "output" in value


def _are_counts(*texts: str) -> bool:
    return all(text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX for text in texts)


class _Unit:
    """Plain counters of one unit; ``mean`` and ``squares`` are of tokens, by Welford's rule."""

    __slots__ = ("errors", "failed", "latency", "llm", "llm_failed", "mean", "requests", "squares",
                 "tasks", "tools", "tools_failed")  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.errors = self.tasks = self.failed = self.llm = self.llm_failed = 0
        self.tools = self.tools_failed = 0
        self.latency: Counter[int] = Counter()
        self.mean = self.squares = 0.0

    def add_tokens(self, tokens: int) -> None:
        """To be called with ``tasks`` counted already."""
        apart = tokens - self.mean
        self.mean += apart / self.tasks
        self.squares += apart * (tokens - self.mean)


class _Work:
    """One piece of work of one agent."""

    __slots__ = ("tokens", "unit")

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.tokens = 0


class Arms:
    """The units that are watched, and the work that they began.

    Args:
        settle: has it told of all calls that ended.

    Attributes:
        trips: breakers that opened meanwhile.
    """

    def __init__(self, settle: Callable[[], None] = lambda: None) -> None:
        self._settle = settle
        self.trips = Trips()
        self._units: dict[str, _Unit] = {}
        self._work: OrderedDict[tuple[str, str], _Work] = OrderedDict()

    def watch(self, units: Iterable[str]) -> None:
        """Counts what these do; those that were watched before go on, all others are forgotten."""
        self._settle()
        self._units = {name: self._units.get(name) or _Unit() for name in units}
        if not self._units:
            self._work.clear()
            self.trips.forget()

    def watches(self, unit: str) -> bool:
        """Whether it counts what that unit does."""
        return unit in self._units

    def began_with(self, agent: str, task: str) -> str:
        """The unit that began an agent's part in a task; empty where none is known."""
        work = self._work.get((agent, task))
        return work.unit if work is not None else ""

    def begin(self, agent: str, task: str, unit: str) -> None:
        """A unit gets a call for a task."""
        if unit not in self._units or not task:
            return
        self._settle()
        key = (agent, task)
        work = self._work.get(key)
        if work is None or work.unit != unit:
            self._work[key] = _Work(unit)
            if len(self._work) > WORK_MAX:
                self._work.popitem(last=False)

    def answered(self, unit: str, seconds: float, *, failed: bool) -> None:
        """A call through the door has ended."""
        if (counts := self._units.get(unit)) is not None:
            counts.requests += 1
            counts.errors += failed
            counts.latency[bucket_of(seconds)] += 1

    def called_tools(self, unit: str, told: str) -> None:
        """An answer tells of tools by the header `TOOLS`; what is no count counts for nothing."""
        calls, _, failed = told.partition(" ")
        if (counts := self._units.get(unit)) is None or not _are_counts(calls, failed):
            return
        counts.tools += int(calls)
        counts.tools_failed += min(int(calls), int(failed))

    def ended(self, agent: str, task: str, *, failed: bool) -> None:
        """A piece of work has ended, with a result or ``failed``."""
        if self._units:
            self._settle()
        work = self._work.get((agent, task))
        counts = self._units.get(work.unit) if work is not None else None
        if work is None or counts is None:
            return
        counts.tasks += 1
        counts.failed += failed
        counts.add_tokens(work.tokens)
        work.tokens = 0

    def observe(self, records: Iterable[CallRecord]) -> None:
        """Calls to models have ended."""
        if self._units:
            for record in records:
                self._count(record)

    def _count(self, record: CallRecord) -> None:
        work = self._work.get((record.caller, record.task))
        if record.backend:
            self.trips.asked(record.backend, record.model, "" if work is None else work.unit)
        if work is None:
            return
        work.tokens += record.prompt_tokens + record.completion_tokens
        if (counts := self._units.get(work.unit)) is not None:
            counts.llm += 1
            counts.llm_failed += record.outcome == Outcome.FAILED

    def tripped(self, backend: str, model: str, parties: Collection[tuple[str, str]]) -> None:
        """A breaker has opened, by calls of these callers for their tasks."""
        if self._units:
            self._settle()
            units = {self.began_with(caller, task) for caller, task in parties}
            self.trips.tripped(backend, model, units)

    def counts(self) -> tuple[ArmCounts, ...]:
        """What all of them did since they are watched."""
        self._settle()
        return tuple(
            ArmCounts(
                unit=name,
                requests=one.requests,
                errors=one.errors,
                latency=dict(one.latency),
                tasks=one.tasks,
                failed=one.failed,
                tools=one.tools,
                tools_failed=one.tools_failed,
                llm=one.llm,
                llm_failed=one.llm_failed,
                tokens=(one.tasks, one.mean, one.squares),
            )
            for name, one in self._units.items()
        )
