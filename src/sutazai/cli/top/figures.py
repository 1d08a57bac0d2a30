"""What `sutazai top` shows, from one look after the other. Pure: time comes with the looks.

A part that nobody answers for keeps its last figures, and ``silent`` says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import HostStatus, InstanceStatus, Level, State

WINDOW = 60.0
"""Seconds over which a share of the model is counted, at least."""


class Sort(StrEnum):
    """By which column rows are sorted: names from a to z, of figures the largest first.

    In the order of the columns; ``llm`` is the share of the model's tokens.
    """

    UNIT = "unit"
    STATE = "state"
    MEMORY = "memory"
    CPU = "cpu"
    TEMPERATURE = "temp"
    TASKS = "tasks"
    CALLS = "calls"
    QUEUE = "queue"
    LLM = "llm"


@dataclass(frozen=True, kw_only=True)
class Llm:
    """The gateway at one moment.

    Args:
        since: when it was started, in seconds since 1970.
        calls, tokens: by caller, since then.
        queued: by caller, of those that wait now.
    """

    since: float
    calls: Mapping[str, int]
    tokens: Mapping[str, int]
    queued: Mapping[str, int]
    waiting: int
    oldest_wait: float
    running: int
    slots: int
    paused: bool


@dataclass(frozen=True, kw_only=True)
class Processors:
    """Seconds of CPU time since the boot: spent on work, and in all."""

    busy: float
    total: float
    cores: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen at ``at`` (seconds since 1970); a part is None where nobody answered.

    Args:
        measured: whether the host was asked for measured memory.
        tasks: open ones by agent.
        cpu: seconds of CPU time by instance.
        memory: used and total bytes of the machine.
    """

    at: float
    measured: bool
    host: HostStatus | None
    llm: Llm | None
    tasks: Mapping[str, int] | None
    cpu: Mapping[str, float]
    processors: Processors
    memory: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One unit, or a client of the gateway, which has no state. None is what is not known.

    Args:
        memory, limit: bytes of all its instances.
        cpu: percent of one core.
        tasks, queued: that are open, that wait for the model.
        calls: to models, since the gateway was started.
        share: of all tokens, from 0 to 1.
    """

    name: str
    kind: Kind | None = None
    state: State | None = None
    temperature: Temperature | None = None
    memory: int | None = None
    limit: int | None = None
    cpu: float | None = None
    tasks: int | None = None
    calls: int | None = None
    queued: int | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything to be shown.

    Args:
        silent: who did not answer, and since when (seconds since 1970; None: never did).
        throttle: cores that each agent is held to in an emergency.
        cpu: percent of all cores.
        share_since: the tokens from then on are what shares are of.
    """

    at: float
    rows: tuple[Row, ...]
    silent: Mapping[str, float | None]
    level: Level | None
    throttle: float | None
    memory_used: int
    memory_total: int
    cpu: float | None
    cores: int
    llm: Llm | None
    share_since: float | None


class History:
    """What is remembered from look to look."""

    def __init__(self) -> None:
        self._host: tuple[float, HostStatus] | None = None
        self._llm: tuple[float, Llm] | None = None
        self._tasks: tuple[float, Mapping[str, int]] | None = None
        self._before: Look | None = None
        self._measured: dict[str, InstanceStatus] = {}
        self._tokens: deque[tuple[float, Mapping[str, int]]] = deque()

    def add(self, look: Look, sort: Sort) -> Figures:
        """The figures after one more look."""
        self._take(look)
        host = self._host[1] if self._host else None
        rows = [self._called(row) for row in (*self._units(look), *self._clients())]
        used, total = _memory(look, host)
        figures = Figures(
            at=look.at,
            rows=arranged(rows, sort),
            silent=dict(self._silent(look)),
            level=host.pressure.level if host else None,
            throttle=host.throttle if host else None,
            memory_used=used,
            memory_total=total,
            cpu=_busy(self._before.processors, look.processors) if self._before else None,
            cores=look.processors.cores,
            llm=self._llm[1] if self._llm else None,
            share_since=self._tokens[0][0] if self._tokens else None,
        )
        self._before = look
        return figures

    def _take(self, look: Look) -> None:
        if look.host is not None:
            self._host = look.at, look.host
            if look.measured:
                units = look.host.units
                self._measured = {one.instance: one for unit in units for one in unit.instances}
        if look.llm is not None:
            self._llm = look.at, look.llm
            self._remember_tokens(look.at, look.llm)
        if look.tasks is not None:
            self._tasks = look.at, look.tasks

    def _remember_tokens(self, at: float, llm: Llm) -> None:
        """Keeps what is needed to tell the last minute; before that, all since the start."""
        seen = self._tokens
        restarted = bool(seen) and sum(llm.tokens.values()) < sum(seen[-1][1].values())
        if restarted or not seen:
            seen.clear()
            seen.append((llm.since, {}))
        seen.append((at, llm.tokens))
        while seen[1][0] <= at - WINDOW:
            seen.popleft()

    def _silent(self, look: Look) -> Iterator[tuple[str, float | None]]:
        for name, answer, last in (
            ("host", look.host, self._host),
            ("gateway", look.llm, self._llm),
            ("control", look.tasks, self._tasks),
        ):
            if answer is None:
                yield name, last[0] if last else None

    def _units(self, look: Look) -> Iterator[Row]:
        for unit in self._host[1].units if self._host else ():
            names = [one.instance for one in unit.instances]
            measured = [self._measured[name] for name in names if name in self._measured]
            yield Row(
                name=unit.name,
                kind=unit.kind,
                state=unit.state,
                temperature=unit.temperature,
                memory=_sum(_taken(one) for one in measured),
                limit=_sum(one.limit for one in measured),
                cpu=_sum(self._cpu(one, look) for one in unit.instances),
                tasks=self._tasks[1].get(unit.name, 0) if self._tasks else None,
            )

    def _clients(self) -> Iterator[Row]:
        """Callers of the gateway that are no units."""
        units = {unit.name for unit in self._host[1].units} if self._host else set()
        return (Row(name=name) for name in (self._llm[1].calls.keys() - units if self._llm else ()))

    def _called(self, row: Row) -> Row:
        """With what the gateway knows of it."""
        if self._llm is None:
            return row
        llm = self._llm[1]
        return replace(
            row,
            calls=llm.calls.get(row.name, 0),
            queued=llm.queued.get(row.name, 0),
            share=self._share(row.name),
        )

    def _share(self, name: str) -> float:
        (_, first), (_, last) = self._tokens[0], self._tokens[-1]
        total = sum(last.values()) - sum(first.values())
        return (last.get(name, 0) - first.get(name, 0)) / total if total > 0 else 0.0

    def _cpu(self, instance: InstanceStatus, look: Look) -> float | None:
        if self._before is None or look.at <= self._before.at:
            return None
        before, now = (each.cpu.get(instance.instance) for each in (self._before, look))
        if before is None or now is None:
            return None
        return 100 * max(0.0, now - before) / (look.at - self._before.at)


def _taken(instance: InstanceStatus) -> int | None:
    """As its control group counts it, which is what its limit is for; else its share (PSS)."""
    return instance.pss if instance.memory is None else instance.memory


def _memory(look: Look, host: HostStatus | None) -> tuple[int, int]:
    """Used and total bytes: as the host's policy counts them, else as the machine does."""
    if host is not None and host.pressure.total:
        return host.pressure.used, host.pressure.total
    return look.memory


def _busy(before: Processors, now: Processors) -> float | None:
    """Percent of all cores that was spent on work in between."""
    passed = now.total - before.total
    return 100 * (now.busy - before.busy) / passed if passed > 0 else None


N = TypeVar("N", int, float)


def _sum(values: Iterable[N | None]) -> N | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def arranged(rows: Iterable[Row], sort: Sort) -> tuple[Row, ...]:
    """The rows in that order; of the equal, whoever takes more memory, then by name."""
    return tuple(sorted(rows, key=lambda row: _order(row, sort)))


def _order(row: Row, sort: Sort) -> tuple[str, float, float, str]:
    memory = row.memory or 0
    texts = {
        Sort.UNIT: row.name,
        Sort.STATE: row.state.value if row.state else "",
        Sort.TEMPERATURE: row.temperature.value if row.temperature else "",
    }
    figures = {
        Sort.MEMORY: (memory, row.cpu),
        Sort.CPU: (row.cpu, memory),
        Sort.TASKS: (row.tasks, memory),
        Sort.CALLS: (row.calls, memory),
        Sort.QUEUE: (row.queued, memory),
        Sort.LLM: (row.share, row.queued),
    }
    first, then = figures.get(sort, (0, memory))
    return texts.get(sort, ""), -(first or 0), -(then or 0), row.name
