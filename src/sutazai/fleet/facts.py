"""Facts that flow between host and gateway: which instances are ready, and what there is to do."""

from __future__ import annotations

from sutazai.fleet.shapes import Shape


class Endpoint(Shape):
    """One ready instance. ``address`` is in `wire` form (`unix:/…`, `http://…`).

    ``unit`` is whose instance it is, where that has another name than the agent. One that is
    ``draining`` ends what it has begun and gets no new calls. ``concurrency`` is how many calls it
    gets at once, 0 for any number; further ones wait until it has room, or another one is ready.
    """

    agent: str
    instance: str
    address: str
    unit: str = ""
    draining: bool = False
    concurrency: int = 0

    @property
    def owner(self) -> str:
        """The unit whose instance it is."""
        return self.unit or self.agent


class EndpointFacts(Shape):
    """A step in the host's account of its ready instances.

    ``incarnation`` names the life of the host, ``sequence`` counts its messages. A ``full`` message
    replaces everything; any other must follow its predecessor without a gap, or the gateway answers
    409 and the host sends a full one. ``bridges`` are addresses of this machine on networks of
    containers, where the gateway is to listen too.
    """

    incarnation: str
    sequence: int
    full: bool
    ready: tuple[Endpoint, ...] = ()
    gone: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()


class AgentDemand(Shape):
    """What one agent has to do and when it last did something; durations in seconds.

    Args:
        calls: through its door, those that wait among them.
        waiting: of these, calls that wait for an instance, or for room on one.
        wait: the longest wait of those.
        since_call: since a call through its door ended, 0 while there is one, None where there was
            none lately.
        since_llm: the same for its calls to models, by its key.
    """

    agent: str
    calls: int = 0
    waiting: int = 0
    wait: float = 0.0
    since_call: float | None = None
    since_llm: float | None = None


class LlmDemand(Shape):
    """How much of the LLM is free: slots, and places in its queue."""

    free: int = 0
    queued: int = 0
    bound: int = 0
    healthy: bool = False

    @property
    def full(self) -> bool:
        """Whether the next call is refused."""
        return 0 < self.bound <= self.queued


class Demand(Shape):
    """What there is to do, as the gateway sees it: agents with something to tell alone.

    ``busy`` are the instances that have a call in hand, those that get no new ones among them.
    """

    agents: tuple[AgentDemand, ...] = ()
    busy: tuple[str, ...] = ()
    llm: LlmDemand = LlmDemand()


class Heard(Shape):
    """The gateway's answer to `EndpointFacts`; ``sequence`` is theirs."""

    sequence: int
    demand: Demand = Demand()


class Wake(Shape):
    """The host's answer to a request to wake an agent: its ready instances."""

    endpoints: tuple[Endpoint, ...]
