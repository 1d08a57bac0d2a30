"""Which models on which backends are taken for broken. Pure: time goes in.

A *circuit* for each model of each backend. Closed: calls go there. After `IN_A_ROW` failures one
after the other, or where `SHARE` of the last `WINDOW` calls failed, it opens: nobody is sent there,
for `FIRST_PAUSE` seconds, and for twice as long each time that it opens again soon, up to
`LAST_PAUSE`. Then it is half-open, and one probe, which the gateway makes itself, decides: it
closes, or opens again. What calls that were under way say meanwhile changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

IN_A_ROW = 5
"""Failures one after the other that open a circuit."""

WINDOW, FEWEST, SHARE = 20, 10, 0.5
"""Of the last so many calls, if there were at least so many, this share of failures opens it."""

FIRST_PAUSE, LAST_PAUSE = 5.0, 60.0
"""Seconds that it stays open, from the first time to the last."""

Party = tuple[str, str]
"""Whom a call was made for: its caller, and the task, each empty where none is known."""

NOBODY: Party = ("", "")

Tripped = Callable[[str, str, frozenset[Party]], None]
"""Told of a backend and model each time that their circuit has opened, and of those whose calls
brought that about: nobody where a probe or a check of the gateway's own did."""

_MASK = (1 << WINDOW) - 1


class Condition(StrEnum):
    """The states of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """How one circuit stands. ``why`` is its last failure in words; ``until`` is when its pause is
    over, and means nothing once it is closed."""

    backend: str
    model: str
    condition: Condition
    why: str
    until: float


@dataclass(slots=True)
class _Circuit:
    why: str = ""
    condition: Condition = Condition.CLOSED
    row: int = 0  # failures since the last success
    recent: int = 0  # a bit for each recent call, the newest lowest; one is a failure
    calls: int = 0
    pause: float = 0.0
    until: float = 0.0
    closed: float = float("-inf")  # since when
    parties: deque[Party] = field(default_factory=lambda: deque(maxlen=WINDOW))  # that failed

    def note(self, failed: bool) -> None:
        self.recent = (self.recent << 1 | failed) & _MASK
        self.calls = min(self.calls + 1, WINDOW)
        self.row = self.row + 1 if failed else 0

    @property
    def is_bad(self) -> bool:
        share = self.recent.bit_count() / self.calls
        return self.row >= IN_A_ROW or (self.calls >= FEWEST and share >= SHARE)

    @property
    def blamed(self) -> frozenset[Party]:
        """Whose failures have opened it."""
        count = self.row if self.row >= IN_A_ROW else self.recent.bit_count()
        return frozenset(list(self.parties)[-count:])

    def open(self, now: float) -> None:
        soon = now - self.closed < LAST_PAUSE
        self.pause = min(2 * self.pause, LAST_PAUSE) if soon and self.pause else FIRST_PAUSE
        self.until = now + self.pause
        self.condition = Condition.OPEN

    def reopen(self, now: float) -> None:
        self.closed = now  # it was never well in between
        self.open(now)

    def close(self, now: float) -> None:
        self.condition, self.closed = Condition.CLOSED, now
        self.row = self.recent = self.calls = 0
        self.parties.clear()


class Breakers:
    """The circuits of all backends. Only those that have failed of late take memory, and stand in
    ``failing`` by their backends and models."""

    def __init__(self) -> None:
        self.failing: dict[tuple[str, str], _Circuit] = {}

    def succeeded(self, backend: str, model: str, now: float) -> None:
        """A call has been answered."""
        circuit = self.failing.get((backend, model))
        if circuit is None or circuit.condition is not Condition.CLOSED:
            return
        circuit.note(failed=False)
        if not circuit.recent and now - circuit.closed >= LAST_PAUSE:
            del self.failing[backend, model]

    def failed(self, backend: str, model: str, now: float, why: str, party: Party = NOBODY) -> bool:
        """A call has failed by the backend's fault; whether the circuit has opened by that."""
        circuit = self.failing.setdefault((backend, model), _Circuit())
        if circuit.condition is not Condition.CLOSED:
            return False
        circuit.why = why
        circuit.note(failed=True)
        circuit.parties.append(party)
        if not circuit.is_bad:
            return False
        circuit.open(now)
        return True

    def blamed(self, backend: str, model: str) -> frozenset[Party]:
        """Whose calls' failures have opened a circuit that `failed` says has opened."""
        return self.failing[backend, model].blamed

    def trip(self, backend: str, model: str, now: float, why: str) -> None:
        """The gateway's own check has failed: it opens at once."""
        circuit = self.failing.setdefault((backend, model), _Circuit())
        if circuit.condition is Condition.CLOSED:
            circuit.why = why
            circuit.open(now)

    def is_open(self, backend: str, model: str) -> bool:
        """Whether calls must not go there: it is open or half-open."""
        circuit = self.failing.get((backend, model))
        return circuit is not None and circuit.condition is not Condition.CLOSED

    def due(self, now: float) -> list[tuple[str, str]]:
        """The open ones whose pause is over, by backend and model; each may be probed."""
        return [
            key
            for key, circuit in self.failing.items()
            if circuit.condition is Condition.OPEN and circuit.until <= now
        ]

    def probe(self, backend: str, model: str, now: float) -> bool:
        """Admits the one probe, if it is due; whoever is admitted tells of it by `probed`."""
        circuit = self.failing.get((backend, model))
        if circuit is None or circuit.condition is not Condition.OPEN or circuit.until > now:
            return False
        circuit.condition = Condition.HALF_OPEN
        return True

    def probed(self, backend: str, model: str, now: float, why: str | None) -> None:
        """The probe went well (None), or failed and why."""
        circuit = self.failing.get((backend, model))
        if circuit is None or circuit.condition is not Condition.HALF_OPEN:
            return
        if why is None:
            circuit.close(now)
        else:
            circuit.why = why
            circuit.reopen(now)

    def keep(self, backend: str, models: Collection[str]) -> None:
        """Forgets all models of ``backend`` but these."""
        for key in [key for key in self.failing if key[0] == backend and key[1] not in models]:
            del self.failing[key]

    def snapshot(self) -> tuple[Circuit, ...]:
        """All that have failed of late."""
        return tuple(
            Circuit(backend, model, each.condition, each.why, each.until)
            for (backend, model), each in self.failing.items()
        )
