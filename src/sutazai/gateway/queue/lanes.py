"""The backends, with what runs on each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from sutazai.gateway.queue.entries import LEVELS
from sutazai.gateway.queue.residency import Residency
from sutazai.gateway.queue.slots import Slots
from sutazai.gateway.queue.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Backend:
    """One LLM server as the scheduler needs to know it.

    Args:
        slots: calls that it may run at once; may be another number at any time.
        weight: its share beside others that serve the same, greater than nought.
        available: whether anything may be started on it.
        targets: what it serves, and the model by which it serves that. One whose breaker is open
            is left out.
        resident: models that it has in memory now; None where that does not matter.
        capacity: models that it can have in memory at once.
    """

    name: str
    slots: int
    weight: float
    available: bool
    targets: Mapping[str, str]
    resident: frozenset[str] | None = None
    capacity: int = 1


@dataclass(slots=True, eq=False)
class Run:
    """An entry on a backend. ``left`` says that its client has gone."""

    waiting: Waiting
    lane: Lane
    slot: int
    model: str
    started: float
    left: bool = False


class Lane:
    """A backend with what runs on it.

    ``share`` is its starts so far, divided by its weight; ``passed`` for each level its starts from
    the queue since that level had one; ``retired`` says that it is declared no more and only here
    until what runs on it has ended.
    """

    __slots__ = (
        "backend", "passed", "residency", "retired", "runs", "share", "slots",
    )  # fmt: skip

    def __init__(self, now: float, backend: Backend) -> None:
        self.backend = backend
        self.slots = Slots(backend.slots)
        self.runs: dict[str, Run] = {}
        self.share = 0.0
        self.passed: list[int] = [0] * len(LEVELS)
        self.retired = False
        self.residency: Residency | None = None
        self._follow_models(now)

    @property
    def free(self) -> bool:
        return self.backend.available and len(self.runs) < self.backend.slots

    @property
    def busyness(self) -> float:
        return len(self.runs) / self.backend.weight

    @property
    def rank(self) -> tuple[float, float, str]:
        """The least is taken first: the least busy one, of equals that with least of its share."""
        return self.busyness, self.share, self.backend.name

    def update(self, now: float, backend: Backend) -> None:
        if self.backend.available and not backend.available:
            self.slots.forget()
        self.backend, self.retired = backend, False
        self.slots.resize(backend.slots)
        self._follow_models(now)

    def retire(self) -> None:
        """Nothing may be started here any more."""
        self.retired = True
        self.backend = replace(self.backend, slots=0, available=False, targets={})

    def start(self, now: float, waiting: Waiting, *, out_of_turn: bool) -> Run:
        """Runs an entry; there must be a free slot, and the backend must serve its target."""
        entry = waiting.entry
        slot = self.slots.take(entry.prefix, out_of_turn=out_of_turn)
        model = self.backend.targets[entry.target]
        run = self.runs[entry.id] = Run(waiting, self, slot, model, now)
        self.share += 1 / self.backend.weight
        if self.residency is not None:
            self.residency.started(now, model)
        return run

    def passes_over(self, level: int) -> None:
        """The next start is ``level``'s."""
        self.passed = [count + 1 for count in self.passed]
        self.passed[level] = 0

    def end(self, now: float, run: Run) -> None:
        del self.runs[run.waiting.entry.id]
        self.slots.release(run.slot)
        if self.residency is not None:
            self.residency.ended(now, run.model)

    def has(self, target: str) -> bool:
        """Whether an entry for ``target`` can start here without another model's being loaded."""
        return self.residency is None or self.residency.has(self.backend.targets[target])

    def _follow_models(self, now: float) -> None:
        resident, capacity = self.backend.resident, self.backend.capacity
        if resident is None:
            self.residency = None
            return
        if self.residency is None:
            self.residency = Residency(run.model for run in self.runs.values())
        self.residency.update(now, resident, capacity)


class Lanes:
    """All backends, by what they serve."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._serving: dict[str, list[Lane]] = {}  # target → lanes that are available
        self._slots: dict[str, int] = {}
        self._rivals: dict[str, dict[str, float]] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def update(self, now: float, backends: Collection[Backend]) -> None:
        """The backends there are from now on; what runs on others goes on running."""
        declared = {backend.name: backend for backend in backends}
        for name in [name for name in self._lanes if name not in declared]:
            self._retire(name)
        for backend in declared.values():
            self._admit(now, backend)
        self._index()

    def get(self, name: str) -> Lane | None:
        return self._lanes.get(name)

    def serving(self, target: str) -> Collection[Lane]:
        return self._serving.get(target, ())

    def slots(self, target: str) -> int:
        """Slots of all available backends that serve ``target``."""
        return self._slots.get(target, 0)

    @property
    def slots_of_all(self) -> int:
        return sum(lane.backend.slots for lane in self if lane.backend.available)

    def best(self, target: str, prefix: str) -> Lane | None:
        """Where an entry can start now. The least busy for its weight; of equals, one that ran
        ``prefix`` last, then the one that has had least of its share of starts."""
        free = [lane for lane in self._serving.get(target, ()) if lane.free and lane.has(target)]
        if len(free) < 2:
            return free[0] if free else None
        return min(
            free, key=lambda lane: (lane.busyness, not lane.slots.is_warm(prefix), *lane.rank)
        )

    def collecting(self) -> list[Lane]:
        """Those where it matters which models are loaded, so that a slot may be free though
        somebody waits."""
        return [lane for lane in self if lane.residency is not None]

    def next_due(self) -> float:
        """When another model may be loaded somewhere, though nothing else happens."""
        dues = (lane.residency.due for lane in self if lane.residency and lane.free)
        return min((due for due in dues if due is not None), default=inf)

    def least_running(self, target: str, level: int) -> float | None:
        """The least account of those of ``level`` that run where ``target`` is served."""
        tags = [
            run.waiting.account.tag
            for lane in self._serving.get(target, ())
            for run in lane.runs.values()
            if run.waiting.level == level
        ]
        return min(tags, default=None)

    def rivals(self, target: str) -> Mapping[str, float]:
        """The targets that are served by backends of ``target``, itself among them, and of the
        slots that serve each of them, the share that serves ``target`` too."""
        found = self._rivals.get(target)
        if found is None:
            found = self._rivals[target] = self._find_rivals(target)
        return found

    def elsewhere(self, lane: Lane, target: str) -> int:
        """Slots of other backends that can start ``target`` with what they have loaded."""
        others = (other for other in self.serving(target) if other is not lane)
        return sum(other.backend.slots for other in others if other.has(target))

    def end(self, now: float, run: Run) -> Lane | None:
        """An entry has ended; its backend if it is still in use."""
        lane = run.lane
        lane.end(now, run)
        if not lane.retired:
            return lane
        if not lane.runs:
            del self._lanes[lane.backend.name]
        return None

    def _admit(self, now: float, backend: Backend) -> None:
        lane = self._lanes.get(backend.name)
        if lane is None:
            lane = self._lanes[backend.name] = Lane(now, backend)
            returned = True
        else:
            returned = backend.available and not lane.backend.available
            lane.update(now, backend)
        if returned:
            # Whoever was away does not get everything until its share has caught up.
            lane.share = max(lane.share, self._least_share(lane))

    def _least_share(self, newcomer: Lane) -> float:
        shares = [lane.share for lane in self if lane is not newcomer and lane.backend.available]
        return min(shares, default=0.0)

    def _retire(self, name: str) -> None:
        lane = self._lanes[name]
        lane.retire()
        if not lane.runs:
            del self._lanes[name]

    def _index(self) -> None:
        self._serving, self._rivals = {}, {}
        for lane in self:
            for target in lane.backend.targets if lane.backend.available else ():
                self._serving.setdefault(target, []).append(lane)
        self._slots = {
            target: sum(lane.backend.slots for lane in lanes)
            for target, lanes in self._serving.items()
        }

    def _find_rivals(self, target: str) -> dict[str, float]:
        common: dict[str, float] = {target: 1.0}
        for lane in self.serving(target):
            for other in lane.backend.targets:
                if other != target:
                    share = lane.backend.slots / max(self._slots[other], 1)
                    common[other] = common.get(other, 0.0) + share
        return common
