"""Which of those that wait is next on a backend: by age, by priority, by turn, by prefix.

Ageing: while an entry below the highest priority that waits has aged, one start in `AGED_EVERY` on
each backend goes to its priority; to both lower ones alternately where both have such entries.
Starts that it had because nobody higher waited count: so those of high priority that come only now
and then are not held up by those below, who have had more than their share meanwhile. Who of them
is next there is decided by turns, as ever: chosen by age alone, whoever queued most first would get
most of it.

Affinity: a slot that becomes free prefers, among those of the highest priority that waits, one that
begins with the text that ran there last, for its prompt is computed there already. It may be out of
turn by this much and no more: its client's account leads the least by `AFFINITY_LEAD` mean costs at
most, and `AFFINITY_RUN` starts in a row at most are out of turn on one slot. So of two clients that
always wait, neither is ahead of the other by more than ``AFFINITY_LEAD + 1`` mean costs for this
reason. Ageing and priorities know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from sutazai.gateway.queue.entries import LEVELS
from sutazai.gateway.queue.fairness import Turns
from sutazai.gateway.queue.lanes import Lane, Lanes
from sutazai.gateway.queue.rates import Rates
from sutazai.gateway.queue.residency import LOAD_WORTH, Demand, Residency
from sutazai.gateway.queue.room import Room, first_in_turn
from sutazai.gateway.queue.waiting import AGED_AFTER, Line, Ticket

AGED_EVERY = 4
"""One start in so many, on each backend, goes to those who have aged at lower priorities."""

AFFINITY_LEAD = 3.5
"""Mean costs by which the account of a client may lead the least for its prefix's sake."""

AFFINITY_RUN = 8
"""Starts in a row that may be out of turn on one slot."""

_LOOK = 8  # entries of one prefix that are looked at


class Ranking:
    """Chooses who is next on a lane."""

    def __init__(self, room: Room, lanes: Lanes, turns: tuple[Turns, ...], rates: Rates) -> None:
        self._room = room
        self._lanes = lanes
        self._turns = turns
        self._rates = rates
        self.paused = False

    def next(self, now: float, lane: Lane) -> tuple[Ticket, bool] | None:
        """Who starts on ``lane``, and whether that is out of turn; None where nobody may."""
        lines = self._lines(lane)
        if lane.residency is not None:
            lines = self._of_admitted_models(now, lane, lane.residency, lines)
        if not lines:
            return None
        levels = [
            level for level in range(len(LEVELS)) if any(line.levels[level] for line in lines)
        ]
        aged = _overdue(now, lane, lines, levels[1:])
        head = first_in_turn(lines, levels[0] if aged is None else aged)
        assert head is not None, "somebody waits there"  # noqa: S101 (for the type checker)
        lane.passes_over(head.level)
        alike = self._out_of_turn(now, lane, lines, head) if aged is None else None
        return (head, False) if alike is None else (alike, True)

    def waiting(self, lane: Lane) -> int:
        """How many wait that may start on ``lane``."""
        return sum(len(queue) for line in self._lines(lane) for queue in line.levels)

    def _lines(self, lane: Lane) -> list[Line]:
        """The lines from which entries may start on ``lane``."""
        targets, name, paused = lane.backend.targets, lane.backend.name, self.paused
        return [
            line
            for want, line in self._room.lines.items()
            if want.target in targets and name not in want.without and not (paused and want.agent)
        ]

    def _out_of_turn(
        self, now: float, lane: Lane, lines: Sequence[Line], head: Ticket
    ) -> Ticket | None:
        """Who may go before ``head`` because a free slot of ``lane`` remembers its prefix."""
        if lane.slots.is_warm(head.entry.prefix):
            return None
        bound: float | None = None
        for prefix, streak in lane.slots.warm():
            if streak >= AFFINITY_RUN:
                continue
            for line in lines:
                for waiting in islice(line.levels[head.level].alike(prefix), _LOOK):
                    bound = self._bound(now, head) if bound is None else bound
                    if waiting.account.tag <= bound:
                        return waiting
        return None

    def _bound(self, now: float, head: Ticket) -> float:
        """The largest tag that may go before ``head``."""
        mean = head.entry.cost if self._rates.cost is None else self._rates.cost
        weight = self._turns[head.level].weight(now)
        return head.account.tag + AFFINITY_LEAD * mean * weight

    # residency

    def _of_admitted_models(
        self, now: float, lane: Lane, residency: Residency, lines: list[Line]
    ) -> list[Line]:
        targets = lane.backend.targets
        by_model: dict[str, list[Line]] = {}
        for line in lines:
            by_model.setdefault(targets[line.want.target], []).append(line)
        demands = {model: _demand(of_model) for model, of_model in by_model.items()}
        soon = {
            model: until
            for model, of_model in by_model.items()
            if not residency.has(model)
            and (until := self._soon_elsewhere(now, lane, of_model, demands[model])) is not None
        }
        admitted = residency.admit(now, demands, soon)
        return [line for line in lines if targets[line.want.target] in admitted]

    def _soon_elsewhere(
        self, now: float, lane: Lane, lines: list[Line], demand: Demand
    ) -> float | None:
        """Until when another backend that has the model is waited for, None where it is not."""
        until = demand.oldest + LOAD_WORTH
        slots = max(self._lanes.elsewhere(lane, line.want.target) for line in lines)
        if now >= until or not slots:
            return None
        mean = self._rates.slot or 0.0
        return until if (sum(demand.seconds) + mean) / slots <= LOAD_WORTH else None


def _overdue(now: float, lane: Lane, lines: Sequence[Line], levels: Sequence[int]) -> int | None:
    """Which of the lower ``levels`` it is the turn of because an entry there has aged."""
    passed = lane.passed
    if max(passed) < AGED_EVERY - 1:
        return None
    aged = sorted(
        (level for level in levels if _has_aged(now, lines, level)), key=passed.__getitem__
    )
    if not aged:
        return None
    least, most = aged[0], aged[-1]
    due = passed[least] >= AGED_EVERY - 1 or passed[most] >= AGED_EVERY * len(aged) - 1
    return most if due else None


def _has_aged(now: float, lines: Sequence[Line], level: int) -> bool:
    oldest = (line.levels[level].oldest() for line in lines)
    return any(one is not None and now - one.arrived >= AGED_AFTER for one in oldest)


def _demand(lines: list[Line]) -> Demand:
    seconds = tuple(sum(line.levels[level].cost for line in lines) for level in range(len(LEVELS)))
    return Demand(seconds, min(line.oldest_arrival() for line in lines))
