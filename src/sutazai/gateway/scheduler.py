"""Which call gets which slot, and when. Pure: time goes in, decisions come out.

Rules, in the order in which they apply:

1. A backend never runs more entries than it has slots; an entry runs only on an available backend
   that serves its target. A slot that is free never stays so while somebody waits who could use it.
2. At most ``limit`` entries wait; the next one is rejected at once. (An entry that comes back by
   `Scheduler.again` had its place before and is not refused one.)
3. An entry that waits past its deadline expires. One whose target has had no available backend for
   `OUTAGE_GRACE` is rejected: a restart is bridged, an outage is told.
4. High before medium before low. Within one priority, clients take turns (see `fairness`).
5. Ageing: of the starts on each backend, every `AGED_EVERY`-th goes to the entry that has waited
   longest among those that have waited `AGED_AFTER` or more, whatever its priority. So an aged
   entry with k older ones before it starts within ``AGED_EVERY * (k + 1)`` starts of a backend that
   serves it. Nothing starves, and a flood of high priority still has three quarters of the slots.
6. Where several backends have a free slot, the least busy for its weight is taken; where they are
   equally busy, the one that has had least of its share of starts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sutazai.fleet.spec import Priority
from sutazai.gateway.fairness import Turns
from sutazai.gateway.waiting import LEVELS, Deadlines, Entry, Line, Waiting

AGED_AFTER = 30.0
"""Seconds of waiting from which an entry counts as aged."""

AGED_EVERY = 4
"""One start in so many, on each backend, goes to the oldest of the aged."""

OUTAGE_GRACE = 10.0
"""Seconds for which entries are held while no backend of their target is available."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One LLM server as the scheduler needs to know it. ``weight`` is greater than nought."""

    name: str
    slots: int
    weight: float
    available: bool
    targets: frozenset[str]


class Why(StrEnum):
    """Why an entry was rejected."""

    QUEUE_FULL = "queue full"
    NO_BACKEND = "no backend"


@dataclass(frozen=True, slots=True)
class Start:
    """The entry has a slot on ``backend`` from now until it is finished or cancelled."""

    id: str
    backend: str


@dataclass(frozen=True, slots=True)
class Expire:
    """The entry waited past its deadline and is out."""

    id: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The entry is refused and is out."""

    id: str
    why: Why


Decision = Start | Expire | Reject


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stand. ``oldest_wait`` is in seconds, nought when nothing waits."""

    waiting: dict[Priority, int]
    running: dict[str, int]
    oldest_wait: float


@dataclass(slots=True)
class _Lane:
    """A backend with what runs on it."""

    backend: Backend
    running: int = 0
    share: float = 0.0  # starts so far, divided by the weight
    unaged: int = 0  # starts from the queue since the last one that ageing chose
    retired: bool = False  # no longer declared; here until what runs on it has ended

    @property
    def free(self) -> bool:
        return self.backend.available and self.running < self.backend.slots

    @property
    def busyness(self) -> tuple[float, float, str]:
        return self.running / self.backend.weight, self.share, self.backend.name


class Scheduler:
    """The queue of the gateway.

    Every method that can change who runs returns the decisions that follow; whoever calls it
    carries them out. ``now`` is in seconds on any clock that never goes back.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._lanes: dict[str, _Lane] = {}
        self._lines: dict[str, Line] = {}  # only of targets for which something waits
        self._waiting: dict[str, Waiting] = {}
        self._running: dict[str, tuple[Waiting, str]] = {}
        self._turns = {level: Turns() for level in LEVELS}
        self._counts = dict.fromkeys(LEVELS, 0)
        self._deadlines = Deadlines()
        self._served: frozenset[str] = frozenset()
        self._unserved: dict[str, float] = {}  # target → since when no backend is available

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def slots(self) -> int:
        """Slots of all backends that are available."""
        return sum(lane.backend.slots for lane in self._lanes.values() if lane.backend.available)

    def submit(self, now: float, entry: Entry) -> list[Decision]:
        """A new entry: started, rejected, or left waiting (no decision yet)."""
        if entry.id in self._waiting or entry.id in self._running:
            raise ValueError(f"entry {entry.id} is here already")
        waiting = Waiting(entry, now)
        lane = self._best_lane(entry.target)
        if lane is not None:
            self._turns[entry.priority].join(entry.client)
            return [self._start(waiting, lane)]
        why = self._refusal(now, entry.target)
        if why is not None:
            return [Reject(entry.id, why)]
        self._wait(waiting)
        return []

    def finish(self, now: float, id: str) -> list[Decision]:  # noqa: A002 (the word of the field)
        """A running entry ended, well or not; its slot is free."""
        lane = self._release(id)
        return [] if lane is None else self._fill(now, [lane])

    def cancel(self, now: float, id: str) -> list[Decision]:  # noqa: A002 (as above)
        """An entry's client left, in any state. One that has ended already is no error."""
        if id in self._waiting:
            self._unwait(id)
            return []
        return self.finish(now, id) if id in self._running else []

    def again(self, now: float, id: str) -> list[Decision]:  # noqa: A002 (as above)
        """A running entry got nothing from its backend: back before its client's other entries."""
        waiting = self._running[id][0]
        self._release(id)
        self._wait(waiting, front=True)
        return self._fill(now, self._lanes.values())

    def tick(self, now: float) -> list[Decision]:
        """What the passing of time brings; due at `next_due`, harmless at any time."""
        decisions: list[Decision] = []
        while (first := self._deadlines.first(self._waiting)) and first[0] <= now:
            self._unwait(first[1])
            decisions.append(Expire(first[1]))
        for target in [target for target in self._lines if target in self._unserved]:
            if now - self._unserved[target] >= OUTAGE_GRACE:
                decisions += self._reject_all(target)
        return decisions

    def next_due(self) -> float | None:
        """When `tick` will have something to decide, if nothing else happens before."""
        first = self._deadlines.first(self._waiting)
        dues = [] if first is None else [first[0]]
        dues += [
            self._unserved[target] + OUTAGE_GRACE
            for target in self._lines
            if target in self._unserved
        ]
        return min(dues, default=None)

    def update_backends(self, now: float, backends: Collection[Backend]) -> list[Decision]:
        """The backends there are from now on; entries that run on others keep running."""
        newcomers = {backend.name: backend for backend in backends}
        for name in [name for name in self._lanes if name not in newcomers]:
            self._retire(name)
        for backend in backends:
            self._admit(backend)
        self._note_outages(now, backends)
        return self._fill(now, self._lanes.values())

    def update_limit(self, limit: int) -> None:
        """Bounds the queue from now on; what waits already stays."""
        self._limit = limit

    def snapshot(self, now: float) -> Snapshot:
        oldest = min((line.oldest().arrived for line in self._lines.values()), default=now)
        return Snapshot(
            waiting=dict(self._counts),
            running={name: lane.running for name, lane in self._lanes.items()},
            oldest_wait=now - oldest,
        )

    # waiting

    def _refusal(self, now: float, target: str) -> Why | None:
        if target not in self._served:
            since = self._unserved.get(target)
            if since is None or now - since >= OUTAGE_GRACE:
                return Why.NO_BACKEND
        return Why.QUEUE_FULL if len(self._waiting) >= self._limit else None

    def _wait(self, waiting: Waiting, *, front: bool = False) -> None:
        entry = waiting.entry
        self._turns[entry.priority].join(entry.client)
        self._waiting[entry.id] = waiting
        self._counts[entry.priority] += 1
        line = self._lines.get(entry.target)
        if line is None:
            line = self._lines[entry.target] = Line(self._turns)
        line.push(waiting, front=front)
        self._deadlines.add(entry)

    def _unwait(self, id: str) -> Waiting:  # noqa: A002 (as above)
        waiting = self._waiting.pop(id)
        entry = waiting.entry
        line = self._lines[entry.target]
        line.remove(entry)
        if not line:
            del self._lines[entry.target]
        self._deadlines.tidy(self._waiting.values(), len(self._waiting))
        self._counts[entry.priority] -= 1
        return waiting

    def _reject_all(self, target: str) -> list[Decision]:
        entries = self._lines[target].entries()
        for entry in entries:
            self._unwait(entry.id)
        return [Reject(entry.id, Why.NO_BACKEND) for entry in entries]

    # running

    def _start(self, waiting: Waiting, lane: _Lane) -> Start:
        entry = waiting.entry
        lane.running += 1
        lane.share += 1 / lane.backend.weight
        self._running[entry.id] = (waiting, lane.backend.name)
        turns = self._turns[entry.priority]
        turns.charge(entry.client)
        if not self._counts[entry.priority]:
            turns.forget()
        return Start(entry.id, lane.backend.name)

    def _release(self, id: str) -> _Lane | None:  # noqa: A002 (as above)
        """Takes a running entry off its backend; the backend if it is still in use."""
        _, name = self._running.pop(id)
        lane = self._lanes[name]
        lane.running -= 1
        if lane.retired and not lane.running:
            del self._lanes[name]
        return None if lane.retired else lane

    def _best_lane(self, target: str) -> _Lane | None:
        lanes = [
            lane for lane in self._lanes.values() if lane.free and target in lane.backend.targets
        ]
        return min(lanes, key=lambda lane: lane.busyness, default=None)

    def _fill(self, now: float, lanes: Iterable[_Lane]) -> list[Decision]:
        """Starts whatever fits on ``lanes``, the least busy first each time."""
        decisions: list[Decision] = []
        free = [lane for lane in lanes if lane.free]
        while free and self._waiting:
            lane = min(free, key=lambda lane: lane.busyness)
            chosen = self._next_for(now, lane)
            if chosen is not None:
                decisions.append(self._start(self._unwait(chosen.entry.id), lane))
            if chosen is None or not lane.free:
                free.remove(lane)
        return decisions

    def _next_for(self, now: float, lane: _Lane) -> Waiting | None:
        targets = lane.backend.targets
        lines = [line for target, line in self._lines.items() if target in targets]
        if not lines:
            return None
        lane.unaged += 1
        if lane.unaged >= AGED_EVERY:
            oldest = min((line.oldest() for line in lines), key=lambda each: each.arrived)
            if now - oldest.arrived >= AGED_AFTER:
                lane.unaged = 0
                return oldest
        return self._first_in_rank(lines)

    def _first_in_rank(self, lines: list[Line]) -> Waiting | None:
        for level in LEVELS:
            if self._counts[level]:
                heads = [head for line in lines if (head := line.head(level)) is not None]
                if heads:
                    return min(heads, key=lambda head: head[:2])[2]
        return None

    # backends

    def _admit(self, backend: Backend) -> None:
        lane = self._lanes.get(backend.name)
        if lane is None:
            lane = self._lanes[backend.name] = _Lane(backend)
        if not lane.share or (backend.available and not lane.backend.available):
            # Whoever was away does not get everything until its share has caught up.
            lane.share = max(lane.share, self._least_share(backend.name))
        lane.backend, lane.retired = backend, False

    def _least_share(self, newcomer: str) -> float:
        shares = [
            lane.share
            for name, lane in self._lanes.items()
            if name != newcomer and lane.backend.available
        ]
        return min(shares, default=0.0)

    def _retire(self, name: str) -> None:
        lane = self._lanes[name]
        if not lane.running:
            del self._lanes[name]
            return
        lane.retired = True
        lane.backend = replace(lane.backend, slots=0, available=False, targets=frozenset())

    def _note_outages(self, now: float, backends: Collection[Backend]) -> None:
        known = {target for backend in backends for target in backend.targets}
        served = {target for backend in backends if backend.available for target in backend.targets}
        self._served = frozenset(served)
        self._unserved = {
            target: self._unserved.get(target, now)
            for target in (known | self._lines.keys()) - served
        }
