"""What tasks and runs have used, and when that is more than they may. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.serving import WorkBudget


class Used:
    """What a piece of work has used so far. ``began`` is the time of its first call."""

    __slots__ = ("began", "calls", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self.calls = 0
        self.began: float | None = None

    def begin(self, now: float) -> None:
        """It makes a call."""
        self.calls += 1
        if self.began is None:
            self.began = now


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget on what was used. ``whose`` says it in words, ``option`` is where it is declared."""

    used: Used
    budget: WorkBudget
    whose: str
    option: str

    def spent(self, now: float) -> str | None:
        """Which part of the budget leaves no room for one more call: calls, tokens, or time."""
        budget, used = self.budget, self.used
        if budget.calls is not None and used.calls >= budget.calls:
            return "calls"
        if budget.tokens is not None and used.tokens >= budget.tokens:
            return "tokens"
        if budget.time is not None and used.began is not None and now >= used.began + budget.time:
            return "time"
        return None

    def ends_at(self, now: float) -> float | None:
        """When its time is over, for a call that begins ``now`` at the latest."""
        if self.budget.time is None:
            return None
        began = now if self.used.began is None else self.used.began
        return began + self.budget.time

    @property
    def hint(self) -> str:
        return f"if it needs more than that, raise {self.option}"

    def told(self, part: str) -> str:
        """That ``part`` of it is spent, for people."""
        if part == "time":
            return f"{self.whose} may take {self.budget.time:g} s"
        return f"{self.whose} may use {getattr(self.budget, part)} {part}"
