"""The backends, with what runs on each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from sutazai.gateway.queue.entries import LEVELS
from sutazai.gateway.queue.fairness import Turns
from sutazai.gateway.queue.residency import Residency
from sutazai.gateway.queue.slots import Slots
from sutazai.gateway.queue.waiting import Ticket


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


class Lane:
    """A backend with what runs on it, as `Lanes` starts and ends it.

    ``runs`` is what runs, by level, and ``count`` how much that is; ``vacant`` is how many more may
    start, less than nought where slots in use were taken away.
    ``share`` is its starts so far, divided by its weight; ``passed`` for each level its starts from
    the queue since that level had one; ``retired`` says that it is declared no more and only here
    until what runs on it has ended.
    """

    __slots__ = (
        "backend", "count", "passed", "residency", "retired", "runs", "share", "slots", "vacant",
    )  # fmt: skip

    def __init__(self, now: float, backend: Backend) -> None:
        self.slots = Slots(backend.slots)
        self.runs: tuple[set[Ticket], ...] = tuple(set() for _ in LEVELS)
        self.count = 0
        self.share = 0.0
        self.passed: list[int] = [0] * len(LEVELS)
        self.retired = False
        self.residency: Residency | None = None
        self._become(backend)
        self._follow_models(now)

    @property
    def free(self) -> bool:
        return self.vacant > 0

    @property
    def busyness(self) -> float:
        return self.count / self.backend.weight

    @property
    def rank(self) -> tuple[float, float, str]:
        """The least is taken first: the least busy one, of equals that with least of its share."""
        return self.busyness, self.share, self.backend.name

    def update(self, now: float, backend: Backend) -> None:
        if self.backend.available and not backend.available:
            self.slots.forget()
        self._become(backend)
        self.retired = False
        self.slots.resize(backend.slots)
        self._follow_models(now)

    def retire(self) -> None:
        """Nothing may be started here any more."""
        self.retired = True
        self._become(replace(self.backend, slots=0, available=False, targets={}))

    def passes_over(self, level: int) -> None:
        """The next start is ``level``'s."""
        self.passed = [count + 1 for count in self.passed]
        self.passed[level] = 0

    def has(self, target: str) -> bool:
        """Whether an entry for ``target`` can start here without another model's being loaded."""
        return self.residency is None or self.residency.has(self.backend.targets[target])

    def _become(self, backend: Backend) -> None:
        self.backend = backend
        self.vacant = backend.slots - self.count if backend.available else 0

    def _follow_models(self, now: float) -> None:
        resident, capacity = self.backend.resident, self.backend.capacity
        if resident is None:
            self.residency = None
            return
        if self.residency is None:
            self.residency = Residency(run.model for runs in self.runs for run in runs)
        self.residency.update(now, resident, capacity)


class Lanes:
    """All backends, by name (``named``) and by what they serve, and all that runs there, by id
    (``running``)."""

    def __init__(self, turns: tuple[Turns, ...]) -> None:
        self.named: dict[str, Lane] = {}
        self.running: dict[str, Ticket] = {}
        self._turns = turns
        self._serving: dict[str, list[Lane]] = {}  # target → lanes that are available
        self._slots: dict[str, int] = {}
        self._rivals: dict[str, dict[str, float]] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(self.named.values())

    def update(self, now: float, backends: Collection[Backend]) -> None:
        """The backends there are from now on; what runs on others goes on running."""
        declared = {backend.name: backend for backend in backends}
        for name in [name for name in self.named if name not in declared]:
            self._retire(name)
        for backend in declared.values():
            self._admit(now, backend)
        self._index()

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
        best: Lane | None = None
        for lane in self._serving.get(target, ()):
            if lane.vacant <= 0 or (lane.residency is not None and not lane.has(target)):
                continue
            if best is None or _rank(lane, prefix) < _rank(best, prefix):
                best = lane
        return best

    def start(self, now: float, ticket: Ticket, lane: Lane, out_of_turn: bool = False) -> None:
        """Runs an entry on ``lane``, and charges its client; there must be a free slot, and the
        backend must serve its target."""
        entry, account, backend = ticket.entry, ticket.account, lane.backend
        ticket.backend, ticket.started, ticket.left = backend.name, now, False
        ticket.waited = now - ticket.arrived
        ticket.index = lane.slots.take(entry.prefix, out_of_turn)
        ticket.model = backend.targets[entry.target]
        lane.runs[ticket.level].add(ticket)
        lane.count += 1
        lane.vacant -= 1
        lane.share += 1 / backend.weight
        if lane.residency is not None:
            lane.residency.started(now, ticket.model)
        self.running[entry.id] = ticket
        account.running += 1
        self._turns[ticket.level].charge(now, account, entry.cost)

    def end(self, now: float, ticket: Ticket, cost: float) -> Lane:
        """A running entry leaves its slot, and its client pays ``cost`` seconds for it; gives where
        it ran."""
        entry, account, lane = ticket.entry, ticket.account, self.named[ticket.backend]
        lane.runs[ticket.level].remove(ticket)
        lane.count -= 1
        lane.vacant += lane.backend.available
        lane.slots.release(ticket.index)
        if lane.residency is not None:
            lane.residency.ended(now, ticket.model)
        if lane.retired:
            self._drop_idle(lane)
        del self.running[entry.id]
        account.running -= 1
        turns = self._turns[ticket.level]
        turns.settle(account, entry.cost, ticket.started, cost)
        return lane

    def collecting(self) -> list[Lane]:
        """Those where it matters which models are loaded, so that a slot may be free though
        somebody waits."""
        return [lane for lane in self if lane.residency is not None]

    def next_due(self) -> float:
        """When another model may be loaded somewhere, though nothing else happens."""
        dues = (lane.residency.due for lane in self if lane.residency and lane.free)
        return min((due for due in dues if due is not None), default=inf)

    def least_running(self, target: str, level: int, above: float) -> float | None:
        """The least tag of those of ``level`` that run where ``target`` is served; None where that
        is not ``above`` this."""
        least: float | None = None
        for lane in self._serving.get(target, ()):
            for run in lane.runs[level]:
                tag = run.account.tag
                if tag <= above:
                    return None
                if least is None or tag < least:
                    least = tag
        return least

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

    def _admit(self, now: float, backend: Backend) -> None:
        lane = self.named.get(backend.name)
        if lane is None:
            lane = self.named[backend.name] = Lane(now, backend)
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
        lane = self.named[name]
        lane.retire()
        self._drop_idle(lane)

    def _drop_idle(self, retired: Lane) -> None:
        """Forgets a retired backend once nothing runs there any more."""
        if not retired.count:
            del self.named[retired.backend.name]

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


def _rank(lane: Lane, prefix: str) -> tuple[float, bool, float, str]:
    return lane.busyness, not lane.slots.is_warm(prefix), lane.share, lane.backend.name
