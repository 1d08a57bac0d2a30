"""Facts that flow from the host to the gateway: which instances are ready, and where."""

from __future__ import annotations

from sutazai.fleet.desired import Shape


class Endpoint(Shape):
    """One ready instance. ``address`` is in `wire` form (`unix:/…`, `http://…`).

    ``revision`` is that of the fleet it runs. One that is ``draining`` ends what it has begun and
    gets no new calls.
    """

    agent: str
    instance: str
    address: str
    revision: int = 0
    draining: bool = False


class EndpointFacts(Shape):
    """A step in the host's account of its ready instances.

    ``incarnation`` names the life of the host, ``sequence`` counts its messages. A ``full`` message
    replaces everything; any other must follow its predecessor without a gap, or the gateway answers
    409 and the host sends a full one.
    """

    incarnation: str
    sequence: int
    full: bool
    ready: tuple[Endpoint, ...] = ()
    gone: tuple[str, ...] = ()


class Wake(Shape):
    """The host's answer to a request to wake an agent: its ready instances."""

    endpoints: tuple[Endpoint, ...]
