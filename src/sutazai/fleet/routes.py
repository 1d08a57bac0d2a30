"""Policy for the gateway: where calls go. Control makes it, the gateway keeps a copy.

Holds secrets (keys of agents, API keys of backends), so its copy on disk has mode 0600.
"""

from __future__ import annotations

from sutazai.fleet.desired import Shape
from sutazai.fleet.spec import Dialect, Priority


class BackendRoute(Shape):
    """One LLM server. ``address`` is in `wire` form (`http://…` or `unix:/…`)."""

    name: str
    address: str
    dialect: Dialect
    slots: int = 1
    weight: float = 1.0
    api_key: str | None = None


class TierRoute(Shape):
    """A class of model: ``model`` (or each backend's first) on ``backends`` (or all of them)."""

    name: str
    model: str | None = None
    backends: tuple[str, ...] = ()


class Key(Shape):
    """What identifies an agent, or any client, to the gateway."""

    name: str
    secret: str
    priority: Priority = Priority.MEDIUM
    admin: bool = False


class Door(Shape):
    """The front door of one agent: its stable port, and a fixed address if it runs elsewhere."""

    agent: str
    port: int | None = None
    address: str | None = None


class Routes(Shape):
    """Everything the gateway needs to serve without control. Durations in seconds."""

    revision: int
    backends: tuple[BackendRoute, ...] = ()
    tiers: tuple[TierRoute, ...] = ()
    keys: tuple[Key, ...] = ()
    doors: tuple[Door, ...] = ()
    keyless: bool = True
    queue_limit: int = 10_000
    queue_wait: float = 300.0
