"""Which call gets which slot, and when. Pure: time goes in, decisions come out.

Rules, in the order in which they apply:

1. A backend never gets more entries than it has slots; an entry starts only on an available backend
   that serves its target and has not failed it. A slot that is free never stays so while somebody
   waits who could use it, but where models are collected (see `residency`).
2. An entry that would have to wait is refused at once where its target has had no available backend
   for `OUTAGE_GRACE`, where it cannot start before its deadline by what was measured (see
   `estimates`), or where the queue is full in entries or bytes and nobody makes way (see `room`).
   (An entry that comes back by `Scheduler.again` had its place before and is not refused one.)
3. An entry expires at its deadline, and is rejected once its target has had no available backend
   for `OUTAGE_GRACE`: a restart is bridged, an outage is told.
4. While agents' entries are paused they wait, and others go on.
5. High before medium before low. Ageing: while an entry of a lower priority has waited `AGED_AFTER`
   or more, every `AGED_EVERY`-th start on each backend that serves it goes to its priority. So
   nothing starves, and a flood of high priority still has three quarters of the slots.
6. Within one priority, the client that attained least service is next (see `fairness`), or one that
   is hardly behind it and finds its prompt on the slot (see `ranking`).
7. Where several backends have a free slot, the least busy for its weight is taken; where they are
   equally busy, one that ran the entry's prefix last, then the one with least of its share.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from sutazai.gateway.queue.entries import (
    LEVEL_OF,
    LEVELS,
    Decision,
    Entry,
    Expire,
    Limits,
    Position,
    Reject,
    Row,
    Snapshot,
    Start,
    Why,
)
from sutazai.gateway.queue.estimates import Estimates
from sutazai.gateway.queue.fairness import Turns
from sutazai.gateway.queue.lanes import Backend, Lane, Lanes
from sutazai.gateway.queue.outages import OUTAGE_GRACE, Outages
from sutazai.gateway.queue.ranking import Ranking
from sutazai.gateway.queue.rates import Rates
from sutazai.gateway.queue.room import Room
from sutazai.gateway.queue.waiting import NO_BACKENDS, Ticket, Want


class Scheduler:
    """The queue of the gateway.

    Every method that can change who runs returns the decisions that follow; whoever calls it
    carries them out. ``now`` is in seconds on any clock that never goes back.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._room = Room(limits or Limits())
        self._turns = tuple(Turns() for _ in LEVELS)
        self._lanes = Lanes(self._turns)
        self._outages = Outages()
        self._rates = Rates()
        self._ranking = Ranking(self._room, self._lanes, self._turns, self._rates)
        self._estimates = Estimates(self._room, self._lanes, self._turns, self._rates)

    @property
    def waiting(self) -> int:
        return len(self._room)

    @property
    def running(self) -> int:
        """Slots in use, those of clients that left among them."""
        return len(self._lanes.running)

    @property
    def slots(self) -> int:
        """Slots of all available backends."""
        return self._lanes.slots_of_all

    @property
    def service(self) -> float:
        """Seconds that an entry holds its slot, a moving mean; nought until one has ended."""
        return self._rates.slot or 0.0

    # entries

    def submit(self, now: float, entry: Entry) -> list[Decision]:
        """A new entry: started, rejected, or left waiting (no decision on it yet)."""
        ticket = Ticket()
        ticket.entry, ticket.without, ticket.backend = entry, NO_BACKENDS, ""
        return [_told(ticket)] if self.start(now, ticket) else self.enqueue(now, ticket)

    def start(self, now: float, ticket: Ticket) -> bool:
        """Whether a new entry has a slot at once; what has none is to be enqueued."""
        entry, lanes, waiting = ticket.entry, self._lanes, self._room.entries
        if entry.id in waiting or entry.id in lanes.running:
            raise ValueError(f"entry {entry.id} is here already")
        level = LEVEL_OF[entry.priority]
        ticket.arrived, ticket.level = now, level
        ticket.account = self._turns[level].account(entry.client)
        if lanes.running or waiting:
            self._catch_up(ticket)
        if entry.agent and self._ranking.paused:
            return False
        lane = lanes.best(entry.target, entry.prefix)
        if lane is None:
            return False
        lanes.start(now, ticket, lane)
        return True

    def enqueue(self, now: float, ticket: Ticket) -> list[Decision]:
        """Lets a newcomer wait that found no slot, or refuses it."""
        entry = ticket.entry
        self._turns[ticket.level].join(ticket.account)
        want = Want(entry.target, entry.agent, ticket.without)
        if not self._outages.holds(now, want):
            return [Reject(entry.id, Why.NO_BACKEND)]
        late = self._estimates.too_late(now, ticket)
        if late is not None:
            return [Reject(entry.id, Why.TOO_LATE, late)]
        shed = [] if self._room.fits(entry) else self._room.make_way(ticket)
        if shed is None:
            return [Reject(entry.id, Why.QUEUE_FULL, self._estimates.newcomers(now, ticket))]
        self._room.add(ticket, want, self._outages.since(now, want))
        decisions: list[Decision] = [Reject(each.entry.id, Why.SHED) for each in shed]
        return decisions + self._fill(now, self._lanes.collecting())

    def finish(self, now: float, key: str, cost: float | None = None) -> list[Decision]:
        """A running entry ended, well or not; its slot is free.

        Args:
            key: the entry's id.
            cost: seconds of service that its client is charged; without it, those on the slot.
        """
        ticket = self._lanes.running[key]
        seconds = now - ticket.started
        cost = seconds if cost is None else cost
        self._rates.ended(ticket.entry.target, seconds, cost)
        freed = self._lanes.end(now, ticket, cost)
        return self._fill(now, (freed,)) if self._room.entries else []

    def cancel(self, now: float, key: str, *, linger: bool = False) -> list[Decision]:
        """An entry's client left, in any state. One that has ended already is no error.

        Args:
            key: the entry's id.
            linger: where it runs, its slot counts as busy until `finish`, for the backend may not
                have stopped yet.
        """
        if key in self._room.entries:
            self._room.remove(key)
            return self._fill(now, self._lanes.collecting())
        running = self._lanes.running
        if key not in running:
            return []
        if linger:
            running[key].left = True
            return []
        return self.finish(now, key)

    def again(
        self,
        now: float,
        key: str,
        *,
        target: str | None = None,
        without: Collection[str] = (),
    ) -> list[Decision]:
        """A running entry got nothing from its backend: back before its client's other entries, and
        nothing is charged.

        Args:
            key: the entry's id.
            target: what it asks for from now on.
            without: backends that it must not start on (any more), with another target only these;
                rejected at once where no other one is declared to serve it.
        """
        ticket = self._lanes.running[key]
        freed = self._lanes.end(now, ticket, 0.0)
        ticket.backend = ""
        if target is None:
            ticket.without = ticket.without.union(without)
        else:
            ticket.entry = msgspec.structs.replace(ticket.entry, target=target)
            ticket.without = frozenset(without)
        want = Want(ticket.entry.target, ticket.entry.agent, ticket.without)
        if not self._outages.holds(now, want):
            return [Reject(key, Why.NO_BACKEND), *self._fill(now, (freed,))]
        self._catch_up(ticket)
        self._turns[ticket.level].join(ticket.account)
        self._room.add(ticket, want, self._outages.since(now, want), front=True)
        return self._fill(now, self._lanes)

    # what else changes

    def tick(self, now: float) -> list[Decision]:
        """What the passing of time brings; due at `next_due`, harmless at any time."""
        expired = self._room.remove_expired(now)
        decisions: list[Decision] = [Expire(waiting.entry.id) for waiting in expired]
        for line in list(self._room.lines.values()):
            if line.unserved is not None and now - line.unserved >= OUTAGE_GRACE:
                for key in line.ids():
                    self._room.remove(key)
                    decisions.append(Reject(key, Why.NO_BACKEND))
        return decisions + self._fill(now, self._lanes.collecting())

    def next_due(self) -> float | None:
        """When `tick` will have something to decide, if nothing else happens before."""
        first = self._room.next_deadline()
        if first is None:
            return None
        outages = (
            line.unserved + OUTAGE_GRACE
            for line in self._room.lines.values()
            if line.unserved is not None
        )
        return min(first, self._lanes.next_due(), *outages)

    def update_backends(self, now: float, backends: Collection[Backend]) -> list[Decision]:
        """The backends there are from now on; entries that run on others keep running."""
        self._lanes.update(now, backends)
        self._outages.update(now, backends, self._room.lines.values())
        self._rates.keep({target for backend in backends for target in backend.targets})
        self._estimates.forget()
        return self._fill(now, self._lanes)

    def update_limits(self, limits: Limits) -> None:
        """Bounds the queue from now on; what waits already stays."""
        self._room.limits = limits

    def pause(self, now: float) -> list[Decision]:
        """Agents' entries are not started any more; what runs goes on, deadlines too."""
        return self._hold(now, paused=True)

    def resume(self, now: float) -> list[Decision]:
        """Agents' entries are started again."""
        return self._hold(now, paused=False)

    # how things stand

    @property
    def bound(self) -> int:
        """How many entries may wait."""
        return self._room.limits.entries

    def position(self, now: float, key: str) -> Position | None:
        """How things stand for an entry by its id; None for one that does not wait."""
        waiting = self._room.entries.get(key)
        return None if waiting is None else self._estimates.position(now, waiting)

    def load(self, backend: str) -> tuple[int, int]:
        """Entries that run on a backend, and those that wait and could start there."""
        lane = self._lanes.named.get(backend)
        return (0, 0) if lane is None else (lane.count, self._ranking.waiting(lane))

    def queue(self, now: float, most: int) -> list[Row]:
        """The next ``most`` waiting entries, in the order in which they are likely to start."""
        return self._estimates.rows(now, most)

    def snapshot(self, now: float) -> Snapshot:
        oldest, counts = self._room.oldest_arrival(), [crowd.count for crowd in self._room.crowds]
        return Snapshot(
            waiting=dict(zip(LEVELS, counts, strict=True)),
            running={lane.backend.name: lane.count for lane in self._lanes},
            leaving=sum(ticket.left for ticket in self._lanes.running.values()),
            size=self._room.size,
            oldest_wait=0.0 if oldest is None else now - oldest,
            paused=self._ranking.paused,
        )

    # waiting

    def _catch_up(self, ticket: Ticket) -> None:
        """Lifts a client that waits for nothing to the least of its rivals."""
        account, target, level = ticket.account, ticket.entry.target, ticket.level
        if account.waiting:
            return
        room, lanes = self._room, self._lanes
        rival = room.least(level, lanes.rivals(target)) if room.entries else None
        least = rival.account.tag if rival else lanes.least_running(target, level, account.tag)
        if least is not None and least > account.tag:
            account.tag = least

    def _hold(self, now: float, *, paused: bool) -> list[Decision]:
        self._ranking.paused = self._estimates.paused = paused
        self._estimates.forget()
        return self._fill(now, self._lanes)

    # running

    def _fill(self, now: float, lanes: Iterable[Lane]) -> list[Decision]:
        """Starts whatever fits on ``lanes``, the least busy first each time."""
        decisions: list[Decision] = []
        waiting = self._room.entries
        free = [lane for lane in lanes if lane.free] if waiting else []
        while free and waiting:
            lane = free[0] if len(free) == 1 else min(free, key=lambda lane: lane.rank)
            chosen = self._ranking.next(now, lane)
            if chosen is not None:
                ticket, out_of_turn = chosen
                self._room.remove(ticket.entry.id)
                self._lanes.start(now, ticket, lane, out_of_turn=out_of_turn)
                decisions.append(_told(ticket))
            if chosen is None or not lane.free:
                free.remove(lane)
        return decisions


def _told(ticket: Ticket) -> Start:
    return Start(ticket.entry.id, ticket.backend, ticket.index)
