"""How many entries of other clients start before one's own, if all goes by turns.

Of a client with ``n`` entries and an account ``tag``, the k-th starts when the least account has
grown to ``tag + k * cost``; so many of its entries as have grown by less start before. The sum over
all clients is a sum of ramps, each ``n`` high, which two sorted lists answer in O(log clients).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import accumulate

from sutazai.gateway.queue.fairness import Account

FRESH_CLIENTS, FRESH_ENTRIES = 1 / 8, 1 / 32
"""A forecast is good until as many entries came or went as these parts of the clients or of what
waited, whichever is more."""


class Forecast:
    """Whose turn is when among the clients of one priority.

    Args:
        waiting: entries of each client; fractions where only a part of them is in the way.
        cost: what an entry adds to its client's tag.
        mean: seconds of a slot that one of these entries takes.
        changes: the crowd's count of changes when this was made.
    """

    __slots__ = ("_begins", "_begun", "_cost", "_ended", "_ends", "_until", "mean")

    def __init__(
        self, waiting: Mapping[Account, float], *, cost: float, mean: float, changes: int
    ) -> None:
        begins = sorted((account.tag, account.order) for account in waiting)
        self._begins = begins
        self._ends = sorted(account.tag + count * cost for account, count in waiting.items())
        self._begun = [0.0, *accumulate(tag for tag, _ in begins)]
        self._ended = [0.0, *accumulate(self._ends)]
        self._cost = cost
        count = sum(waiting.values())
        self._until = changes + max(len(begins) * FRESH_CLIENTS, count * FRESH_ENTRIES)
        self.mean = mean

    def is_fresh(self, changes: int) -> bool:
        return changes <= self._until

    def ahead(self, tag: float, order: int, own: int, *, waits: bool) -> float:
        """Entries that start before the one of which ``own`` of its client's are ahead, and which
        ``waits`` itself already or does not.

        Right to within half an entry for each client that is neither done nor not begun by then.
        """
        reach = tag + own * self._cost
        begun = bisect_left(self._begins, (reach, order if not own else 0))
        ended = bisect_right(self._ends, reach)
        ramps = (begun - ended) * reach - self._begun[begun] + self._ended[ended]
        # A ramp is half an entry below its stairs on average, and a whole one at its foot.
        at_foot = begun - bisect_left(self._begins, (reach,))
        stairs = begun - ended + at_foot - (1 if own and waits else 0)
        return max(ramps / self._cost + stairs / 2, 0.0) if self._cost else float(begun)
