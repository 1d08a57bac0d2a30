"""What the gateway tells of the work that there is, kept for as long as it matters. Pure.

The gateway speaks of what did something lately; the last times of all others are kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.facts import AgentDemand, Demand, LlmDemand


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of one agent's work; times are on the host's monotonic clock.

    Args:
        calls: through its door, those that wait among them.
        waiting: of these, calls that wait for an instance, or for room on one.
        wait: seconds that the longest of those waits.
        last_call: when the last call through its door ended, None where none is known.
        last_llm: the same for its calls to models.
        asking: whether it waits for a model now.
    """

    calls: int = 0
    waiting: int = 0
    wait: float = 0.0
    last_call: float | None = None
    last_llm: float | None = None
    asking: bool = False


NOTHING = Told()


class Demands:
    """The work of all agents.

    Attributes:
        known: whether the gateway answers; while it does not, nobody can tell what is idle.
        llm: how much of the LLM is free.
        busy: instances that have a call in hand.
    """

    def __init__(self) -> None:
        self.known = False
        self.llm = LlmDemand()
        self.busy: frozenset[str] = frozenset()
        self._told: dict[str, Told] = {}

    def hear(self, demand: Demand, now: float) -> set[str]:
        """Takes it in; the agents that have something in hand, or had a moment ago."""
        active = {name for name, told in self._told.items() if told.calls or told.asking}
        for name in active:
            self._told[name] = _ended(self._told[name], now)
        self._told |= {
            one.agent: _told(one, self._told.get(one.agent, NOTHING), now) for one in demand.agents
        }
        self.llm, self.busy, self.known = demand.llm, frozenset(demand.busy), True
        return active | {one.agent for one in demand.agents if one.calls or one.since_llm == 0}

    def lose(self) -> None:
        """The gateway does not answer; what it had in hand may be over or not."""
        self.known = False

    def of(self, agent: str) -> Told:
        """What is known of one agent."""
        return self._told.get(agent, NOTHING)

    def keep(self, agents: Iterable[str]) -> None:
        """Forgets all others."""
        kept = set(agents)
        self._told = {name: told for name, told in self._told.items() if name in kept}


def _told(one: AgentDemand, before: Told, now: float) -> Told:
    return Told(
        calls=one.calls,
        waiting=one.waiting,
        wait=one.wait,
        last_call=before.last_call if one.since_call is None else now - one.since_call,
        last_llm=before.last_llm if one.since_llm is None else now - one.since_llm,
        asking=one.since_llm == 0,
    )


def _ended(told: Told, now: float) -> Told:
    """It is not spoken of any more, as after a new start of the gateway."""
    return Told(
        last_call=now if told.calls else told.last_call,
        last_llm=now if told.asking else told.last_llm,
    )
