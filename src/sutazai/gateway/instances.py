"""Which instances of which agents are ready, and which of them a call goes to. Pure.

Least calls in flight first; among equals the faster one, where "faster" means a different power of
two, so that instances of like speed take turns instead of the luckiest taking all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.errors import Conflict
from sutazai.fleet.facts import Endpoint, EndpointFacts

LATENCY_SHARE = 0.2
"""Weight of the latest call in the mean latency of an instance."""


@dataclass(slots=True)
class Instance:
    """A ready instance with what the gateway has seen of it. ``latency`` is in seconds."""

    endpoint: Endpoint
    running: int = 0
    latency: float = 0.0
    turn: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        return self.running, int(math.log2(self.latency * 1000 + 1)), self.turn


class Instances:
    """The ready instances of all agents, as the host's facts tell them."""

    def __init__(self) -> None:
        self._agents: dict[str, dict[str, Instance]] = {}
        self._incarnation = ""
        self._sequence = 0
        self._turn = 0

    def apply(self, facts: EndpointFacts) -> bool:
        """The next step of the host's account; whether it changed who is ready.

        Raises Conflict where a step is missing before it.
        """
        before = self._ready()
        expected = (self._incarnation, self._sequence + 1)
        if facts.full:
            self._replace(facts.ready)
        elif (facts.incarnation, facts.sequence) != expected:
            raise Conflict(
                f"facts {facts.sequence} of {facts.incarnation} do not follow "
                f"{self._sequence} of {self._incarnation or 'nothing'}",
                hint="send a full account",
                sequence=self._sequence,
            )
        else:
            self.add(facts.ready)
            for instance in facts.gone:
                self.drop(instance)
        self._incarnation, self._sequence = facts.incarnation, facts.sequence
        return self._ready() != before

    def account(self) -> EndpointFacts:
        """Everything known, as one full step."""
        return EndpointFacts(
            incarnation=self._incarnation,
            sequence=self._sequence,
            full=True,
            ready=tuple(self._ready().values()),
        )

    def add(self, endpoints: Iterable[Endpoint]) -> None:
        """These are ready; those that are known already stay as they are."""
        for endpoint in endpoints:
            known = self._agents.setdefault(endpoint.agent, {})
            old = known.get(endpoint.instance)
            if old is None or old.endpoint != endpoint:
                known[endpoint.instance] = Instance(endpoint)

    def drop(self, name: str) -> None:
        """The instance is gone, or cannot be reached."""
        for agent, known in list(self._agents.items()):
            known.pop(name, None)
            if not known:
                del self._agents[agent]

    def choose(self, agent: str) -> Instance | None:
        """The instance that the next call goes to, or None where none is ready."""
        known = self._agents.get(agent)
        return min(known.values(), key=lambda each: each.rank) if known else None

    def begin(self, instance: Instance) -> None:
        """A call goes to ``instance``."""
        self._turn += 1
        instance.turn = self._turn
        instance.running += 1

    def end(self, instance: Instance, seconds: float | None) -> None:
        """The call ended; ``seconds`` is what it took, None where it says nothing of the speed."""
        instance.running -= 1
        if seconds is not None:
            share = LATENCY_SHARE if instance.latency else 1.0
            instance.latency += (seconds - instance.latency) * share

    def _ready(self) -> dict[str, Endpoint]:
        return {
            name: instance.endpoint
            for known in self._agents.values()
            for name, instance in known.items()
        }

    def _replace(self, endpoints: tuple[Endpoint, ...]) -> None:
        before = {
            name: instance for known in self._agents.values() for name, instance in known.items()
        }
        self._agents = {}
        for endpoint in endpoints:
            old = before.get(endpoint.instance)
            same = old is not None and old.endpoint == endpoint
            known = self._agents.setdefault(endpoint.agent, {})
            known[endpoint.instance] = old if old is not None and same else Instance(endpoint)
