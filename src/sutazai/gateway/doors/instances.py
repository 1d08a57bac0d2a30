"""Which instances of which agents are ready, and what the gateway has seen of them. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.errors import Conflict
from sutazai.fleet.facts import Endpoint, EndpointFacts

LATENCY_SHARE = 0.2
"""Weight of the latest call in the mean latency of an instance."""


@dataclass(slots=True)
class Instance:
    """A ready instance with what the gateway has seen of it.

    ``latency`` is in seconds; ``turn`` grows with every call that any instance gets.
    """

    endpoint: Endpoint
    running: int = 0
    latency: float = 0.0
    turn: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it takes as many calls at once as it may."""
        return 0 < self.endpoint.concurrency <= self.running

    @property
    def rank(self) -> tuple[int, int, int]:
        """Least calls in flight first; among equals the faster one, where "faster" means a
        different power of two, so that instances of like speed take turns instead of the luckiest
        taking all."""
        return self.running, int(math.log2(self.latency * 1000 + 1)), self.turn


class Instances:
    """The ready instances of all agents, as the host's facts tell them."""

    def __init__(self) -> None:
        self._agents: dict[str, dict[str, Instance]] = {}
        self._incarnation = ""
        self._sequence = 0
        self._turn = 0
        self._busy: Counter[str] = Counter()

    @property
    def busy(self) -> tuple[str, ...]:
        """The instances with calls in flight, also those that get no new ones."""
        return tuple(self._busy)

    def room(self, agent: str) -> int | None:
        """How many calls the ready instances of ``agent`` take at once, None where nobody can
        tell."""
        each = [one.endpoint.concurrency for one in self.ready(agent)]
        return sum(each) if all(each) else None

    def apply(self, facts: EndpointFacts) -> bool:
        """The next step of the host's account; whether it changed who is ready.

        Raises Conflict where a step is missing before it.
        """
        before = self._endpoints()
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
        return self._endpoints() != before

    def account(self) -> EndpointFacts:
        """Everything known, as one full step."""
        return EndpointFacts(
            incarnation=self._incarnation,
            sequence=self._sequence,
            full=True,
            ready=tuple(self._endpoints().values()),
        )

    def add(self, endpoints: Iterable[Endpoint]) -> None:
        """These are ready; what was seen of those that are known already stays."""
        for endpoint in endpoints:
            known = self._agents.setdefault(endpoint.agent, {})
            known[endpoint.instance] = _renewed(known.get(endpoint.instance), endpoint)

    def drop(self, name: str) -> None:
        """The instance is gone, or cannot be reached."""
        for agent, known in list(self._agents.items()):
            known.pop(name, None)
            if not known:
                del self._agents[agent]

    def ready(self, agent: str) -> list[Instance]:
        """The instances of ``agent`` that take new calls: those that drain only end what they
        have."""
        known = self._agents.get(agent)
        return [] if known is None else [i for i in known.values() if not i.endpoint.draining]

    def in_hand(self) -> dict[str, int]:
        """How many calls the instances of each unit have, those that get no new ones too."""
        counts: Counter[str] = Counter()
        for known in self._agents.values():
            for one in known.values():
                counts[one.endpoint.owner] += one.running
        return dict(+counts)

    def begin(self, instance: Instance) -> None:
        """A call goes to ``instance``."""
        self._turn += 1
        instance.turn = self._turn
        instance.running += 1
        self._busy[instance.endpoint.instance] += 1

    def end(self, instance: Instance, seconds: float | None) -> None:
        """The call ended; ``seconds`` is what it took, None where it says nothing of the speed."""
        instance.running -= 1
        name = instance.endpoint.instance
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]
        if seconds is not None:
            share = LATENCY_SHARE if instance.latency else 1.0
            instance.latency += (seconds - instance.latency) * share

    def _endpoints(self) -> dict[str, Endpoint]:
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
            known = self._agents.setdefault(endpoint.agent, {})
            known[endpoint.instance] = _renewed(before.get(endpoint.instance), endpoint)


def _renewed(old: Instance | None, endpoint: Endpoint) -> Instance:
    """``old`` as ``endpoint`` tells it now; at another address it is another instance."""
    if old is None or _place(old.endpoint) != _place(endpoint):
        return Instance(endpoint)
    old.endpoint = endpoint
    return old


def _place(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.agent, endpoint.address
