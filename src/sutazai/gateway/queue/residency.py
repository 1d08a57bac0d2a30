"""Which models a backend has in memory, and when one makes way for another.

A server that can hold few models (Ollama on a CPU: one) loads another one in seconds to minutes,
while nobody is served. So entries of a resident model go first, and what waits for other models is
collected:

- A model that nobody wants makes way at once, or after `PAUSE` where it has not stayed `STAY` yet:
  its client may be about to ask again.
- A model that is wanted stays `STAY` at least. Then it makes way for one that is wanted more (by
  the expected seconds of what waits for it at high priority, then medium, then low), or for which
  an entry waits that has aged and is older than any of its own. So ageing holds as it does
  elsewhere, with one more `STAY`, and the end of what runs, for each swap that comes before.
- While a swap is due, nothing more of the old model is started.
- An entry is not worth a swap where another backend has its model loaded and is likely to have room
  within `LOAD_WORTH`; that holds it up for `LOAD_WORTH` at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sutazai.gateway.queue.waiting import AGED_AFTER

STAY = 30.0
"""Seconds that a model which is wanted stays loaded at least."""

PAUSE = 1.0
"""Seconds for which a model that was loaded lately may be unwanted before it makes way."""

LOAD_WORTH = 5.0
"""Seconds that an entry rather waits for another backend than has its model loaded here."""


@dataclass(slots=True)
class Demand:
    """What waits for one model: expected seconds by level, and when the oldest arrived."""

    seconds: tuple[float, ...]
    oldest: float


_NONE = Demand((), float("inf"))


class Residency:
    """The models of one backend.

    It follows what the backend tells of itself, and between two tellings what is started there.
    ``due`` is when it may decide otherwise though nothing else happens.
    """

    __slots__ = ("_capacity", "_loaded", "_running", "_swap", "_told", "_used", "due")

    def __init__(self, running: Iterable[str] = ()) -> None:
        self._running = Counter(running)
        self._loaded: dict[str, float] = {}  # model → since when
        self._used: dict[str, float] = {}  # model → when something of it last ended
        self._told: frozenset[str] | None = None
        self._capacity = 1
        self._swap: tuple[str, str] | None = None  # what comes, what makes way
        self.due: float | None = None

    def update(self, now: float, resident: frozenset[str], capacity: int) -> None:
        """What the backend tells; the same as before is no news."""
        self._capacity = max(capacity, 1)
        if resident == self._told:
            return
        self._told = resident
        current = resident | {model for model, count in self._running.items() if count}
        self._loaded = {model: self._loaded.get(model, now) for model in current}
        self._used = {model: self._used[model] for model in current if model in self._used}

    def has(self, model: str) -> bool:
        """Whether an entry of ``model`` can start as things are."""
        return model in self._loaded and (self._swap is None or self._swap[1] != model)

    def started(self, now: float, model: str) -> None:
        self._loaded.setdefault(model, now)
        self._running[model] += 1

    def ended(self, now: float, model: str) -> None:
        self._running[model] -= 1
        if not self._running[model]:
            del self._running[model]
        if model in self._loaded:
            self._used[model] = now

    def admit(
        self, now: float, demands: Mapping[str, Demand], soon_elsewhere: Mapping[str, float]
    ) -> Collection[str]:
        """The models whose entries may start now, given what waits for each.

        Args:
            soon_elsewhere: models that another backend is about to serve, with the time until
                which that is waited for.
        """
        self.due = min(soon_elsewhere.values(), default=None)
        wanted = {
            model: demand
            for model, demand in demands.items()
            if model not in self._loaded and model not in soon_elsewhere
        }
        self._choose_swap(now, demands, wanted)
        self._swap_if_drained(now)
        has_room = len(self._loaded) < self._capacity
        return {model for model in demands if self.has(model) or (has_room and model in wanted)}

    def _choose_swap(
        self, now: float, demands: Mapping[str, Demand], wanted: Mapping[str, Demand]
    ) -> None:
        if self._swap is not None and self._swap[0] in wanted and self._swap[1] in self._loaded:
            return
        self._swap = None
        if not wanted or len(self._loaded) < self._capacity:
            return
        old = min(self._loaded, key=lambda model: self._hold(model, demands))
        new = self._successor(now, old, demands.get(old, _NONE), wanted)
        if new is not None:
            self._swap = new, old

    def _hold(self, model: str, demands: Mapping[str, Demand]) -> tuple[object, ...]:
        """How much a loaded model is wanted; the least makes way."""
        used = self._used.get(model, self._loaded[model])
        return demands.get(model, _NONE).seconds, self._running[model], used

    def _successor(
        self, now: float, old: str, demand: Demand, wanted: Mapping[str, Demand]
    ) -> str | None:
        """What may take the place of ``old`` now."""
        stays = self._loaded[old] + STAY
        if not demand.seconds and not self._running[old]:
            stays = min(stays, self._used.get(old, self._loaded[old]) + PAUSE)
        if now < stays:
            self.due = stays if self.due is None else min(self.due, stays)
            return None
        eldest = min(wanted, key=lambda model: wanted[model].oldest)
        if now - wanted[eldest].oldest >= AGED_AFTER and wanted[eldest].oldest < demand.oldest:
            return eldest
        most = max(wanted, key=lambda model: wanted[model].seconds)
        return most if wanted[most].seconds > demand.seconds else None

    def _swap_if_drained(self, now: float) -> None:
        if self._swap is None or self._running[self._swap[1]]:
            return
        new, old = self._swap
        self._swap = None
        del self._loaded[old]
        self._used.pop(old, None)
        self._loaded[new] = now
