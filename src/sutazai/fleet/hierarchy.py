"""Who may speak with whom: workers ↔ their team lead ↔ orchestrators. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sutazai.fleet.errors import NotFound
from sutazai.fleet.spec import Agent, Fleet, Rank


@dataclass(frozen=True)
class Member:
    """One agent's place."""

    rank: Rank
    lead: str | None = None


@dataclass(frozen=True)
class Hierarchy:
    """The places of all agents.

    It is declared as soon as one agent has a lead. Then a worker speaks with its lead only, leads
    speak with their workers and with all orchestrators, and orchestrators with one another.
    Undeclared, everyone speaks with everyone.
    """

    members: Mapping[str, Member] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet) -> Hierarchy:
        return cls({name: _member(agent) for name, agent in fleet.agents.items()})

    @cached_property
    def declared(self) -> bool:
        return any(member.lead for member in self.members.values())

    def may_speak(self, one: str, other: str) -> bool:
        """Whether ``one`` may speak with ``other``; the same in both directions.

        Unknown names may speak with nobody, and nobody needs leave to speak with itself.
        """
        if one not in self.members or other not in self.members:
            return False
        return one == other or not self.declared or self._linked(one, other)

    def contacts(self, name: str) -> tuple[str, ...]:
        """All that ``name`` may speak with: its lead, then its team, then its peers."""
        if name not in self.members:
            return ()
        member = self.members[name]
        found = [member.lead or name, *self._teams.get(name, ()), *self._peers(member.rank)]
        return tuple(
            other for other in dict.fromkeys(found) if other in self.members and other != name
        )

    def path(self, one: str, other: str) -> tuple[str, ...]:
        """The shortest way for a message, both ends included; () where there is none.

        Raises NotFound for a name that is no agent's.
        """
        for name in (one, other):
            if name not in self.members:
                raise NotFound(f"there is no agent {name}")
        return self._searched(one, other)

    @cached_property
    def _teams(self) -> dict[str, list[str]]:
        teams: dict[str, list[str]] = {}
        for name, member in self.members.items():
            if member.lead:
                teams.setdefault(member.lead, []).append(name)
        return teams

    @cached_property
    def _ranks(self) -> dict[Rank, list[str]]:
        ranks: dict[Rank, list[str]] = {rank: [] for rank in Rank}
        for name, member in self.members.items():
            ranks[member.rank].append(name)
        return ranks

    def _peers(self, rank: Rank) -> list[str]:
        """Those that a rank speaks with beyond its own lead and team."""
        if not self.declared:
            return list(self.members)
        if rank is Rank.WORKER:
            return []
        leads = self._ranks[Rank.LEAD] if rank is Rank.ORCHESTRATOR else []
        return [*leads, *self._ranks[Rank.ORCHESTRATOR]]

    def _linked(self, one: str, other: str) -> bool:
        first, second = self.members[one], self.members[other]
        if first.lead == other or second.lead == one:
            return True
        ranks = {first.rank, second.rank}
        return Rank.WORKER not in ranks and Rank.ORCHESTRATOR in ranks

    def _searched(self, one: str, other: str) -> tuple[str, ...]:
        came_from: dict[str, str | None] = {one: None}
        waiting = deque([one])
        while waiting and other not in came_from:
            name = waiting.popleft()
            for contact in self.contacts(name):
                if contact not in came_from:
                    came_from[contact] = name
                    waiting.append(contact)
        return _trail(came_from, other)


def _member(agent: Agent) -> Member:
    return Member(agent.rank, agent.lead)


def _trail(came_from: Mapping[str, str | None], end: str) -> tuple[str, ...]:
    trail: list[str] = []
    name: str | None = end if end in came_from else None
    while name is not None:
        trail.append(name)
        name = came_from[name]
    return tuple(reversed(trail))
