"""Who may fetch what, and when a task that was fetched is lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.errors import AgentFailed, InstanceLost
from sutazai.fleet.fetching import BEAT, MISSED, Completion, Fetcher
from sutazai.store.turns import Candidate, Claim
from sutazai.tasks.calls import well_formed
from sutazai.tasks.dispatch.routing import Doer
from sutazai.tasks.outcome import Outcome

SILENCE = BEAT * MISSED
"""Seconds without a heartbeat after which a registration is over."""


@dataclass(frozen=True)
class Fetching:
    """The routing of one agent that asks for its next task: all goes to it."""

    doer: Doer

    def closed(self, running: Mapping[str, int]) -> set[str]:
        return set() if self._room(running) > 0 else set(self.doer.lanes)

    def assign(
        self, candidates: Sequence[Candidate], running: Mapping[str, int]
    ) -> list[tuple[Candidate, str]]:
        room = max(0, self._room(running))
        return [(candidate, self.doer.name) for candidate in candidates[:room]]

    def _room(self, running: Mapping[str, int]) -> int:
        return self.doer.capacity - running.get(self.doer.name, 0)


def lanes_for(doer: Doer, kind: str) -> tuple[str, ...]:
    """What an agent that asks for tasks of ``kind`` takes.

    One of its capabilities means that, and what is for it by name. Every other word means all that
    it can do: programs say their name there, or a type that the fleet does not know.
    """
    wanted = f"capability:{kind}"
    return (f"agent:{doer.name}", wanted) if wanted in doer.lanes else doer.lanes


def given(claim: Claim, value: Any) -> dict[str, Any]:
    """A task as it is handed out.

    Its ``id`` is that of this attempt, so that a late completion is told from one in time. The keys
    of an input that is an object stand beside it, for so did tasks of the old system.
    """
    own = value if isinstance(value, dict) else {}
    return {
        **own,
        "id": claim.workflow,
        "task": claim.id,
        "attempt": claim.attempt,
        "input": value,
        "priority": claim.priority or own.get("priority"),
        "deadline": claim.deadline,
    }


def outcome_of(completion: Completion) -> Outcome:
    """What an agent said of a task, as every attempt ends."""
    if completion.went_well:
        return Outcome(value=well_formed(completion.result))
    said = completion.error or completion.result or completion.status
    message = said if isinstance(said, str) else f"it failed: {well_formed(said)}"
    return Outcome(error=AgentFailed(message[:2000]).as_dict())


def silent(
    fetchers: Iterable[Fetcher], now: float, silence: float = SILENCE, *, since: float
) -> list[str]:
    """Who gave no heartbeat for ``silence`` seconds. None could be heard before ``since``."""
    return [one.agent for one in fetchers if max(one.beat, since) + silence <= now]


def loss(claim: Claim, now: float, *, ended: float = 0.0) -> InstanceLost | None:
    """Why nobody will complete what was claimed, or None.

    Args:
        ended: when the agent's only process last ended; 0 where that is not known.
    """
    if ended > claim.begun:
        return InstanceLost(f"{claim.agent} ended while it worked on it")
    if claim.begun + claim.deadline <= now:
        return InstanceLost(
            f"{claim.agent} did not complete it within {claim.deadline:g} s",
            hint="give it a longer deadline, or look at the agent's log",
        )
    return None
