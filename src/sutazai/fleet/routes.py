"""Policy for the gateway: where calls go and what callers may. Control makes it, the gateway keeps
a copy.

Holds secrets (keys of agents, API keys of backends), so its copy on disk has mode 0600. Parts of
the fleet file that mean the same to the gateway stand here as they are declared (`serving`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.hierarchy import Member
from sutazai.fleet.messaging import BusSpec, Messages
from sutazai.fleet.serving import (
    AUTO_RULES,
    AutoRule,
    Balance,
    Budget,
    Cache,
    ContextPolicy,
    Entra,
    Queue,
    Record,
    Timeouts,
    WorkBudget,
)
from sutazai.fleet.shapes import Shape


class PinnedRoute(Shape):
    """How a model is loaded: its context in tokens, other options, seconds that it stays idle."""

    context: int | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    keep_alive: float | None = None


class BackendRoute(Shape):
    """One LLM server. ``address`` is in `wire` form (`http://…` or `unix:/…`).

    ``slots`` and ``loaded_models`` are None where the gateway has to find them out; ``check`` is
    None where the server is never asked for a token on its own account. ``entra`` holds the secret
    itself. ``embedded`` marks our own llama.cpp server.
    """

    name: str
    address: str
    dialect: Dialect
    slots: int | None = None
    weight: float = 1.0
    api_key: str | None = None
    api_version: str | None = None
    entra: Entra | None = None
    ca: str | None = None
    models: Mapping[str, PinnedRoute] = Field(default_factory=dict)
    loaded_models: int | None = None
    timeouts: Timeouts = Timeouts()
    check: float | None = None
    embedded: bool = False


class VersionRoute(Shape):
    """One of several models behind a tier, with its share of tasks."""

    name: str
    model: str
    backends: tuple[str, ...] = ()
    weight: float = 1.0


class TierRoute(Shape):
    """A class of model: ``model`` (or each backend's first) on ``backends`` (or all of them)."""

    name: str
    model: str | None = None
    backends: tuple[str, ...] = ()
    versions: tuple[VersionRoute, ...] = ()
    fallback: tuple[str, ...] = ()


class Key(Shape):
    """What identifies an agent, or any client, to the gateway. ``tiers`` empty means all; ``group``
    is what metrics go by where there are too many agents."""

    name: str
    secret: str
    group: str = ""
    priority: Priority = Priority.MEDIUM
    admin: bool = False
    agent: bool = False
    tiers: tuple[str, ...] = ()
    context: ContextPolicy = ContextPolicy.REJECT
    budget: Budget = Budget()
    task_budget: WorkBudget = WorkBudget()


class Door(Shape):
    """The front door of one agent: its stable port, and a fixed address if it runs elsewhere.

    ``weights`` shares calls out among the units that serve the agent; one that is not named has
    weight one, and one of weight nought gets no new calls. ``wakes`` is the unit that is woken for
    a call, where that is not the agent's own. While it is ``loyal`` a task stays with the unit that
    began it, whatever the weights.
    """

    agent: str
    port: int | None = None
    address: str | None = None
    balance: Balance = Balance.LEAST_LOADED
    weights: Mapping[str, float] = Field(default_factory=dict)
    wakes: str = ""
    loyal: bool = True


class Routes(Shape):
    """Everything the gateway needs to serve without control. Durations in seconds.

    ``aliases`` are other names of tiers and models. ``repeats`` is how often the same call may be
    made in one task, None for any number. ``members`` are the agents' places in the hierarchy,
    ``topics`` who gets what is published there; ``bus.url`` holds the password itself.
    """

    revision: int
    backends: tuple[BackendRoute, ...] = ()
    tiers: tuple[TierRoute, ...] = ()
    keys: tuple[Key, ...] = ()
    doors: tuple[Door, ...] = ()
    keyless: bool = True
    queue: Queue = Queue()
    cache: Cache = Cache()
    record: Record = Record()
    aliases: Mapping[str, str] = Field(default_factory=dict)
    auto: tuple[AutoRule, ...] = AUTO_RULES
    repeats: int | None = 20
    run_budget: WorkBudget = WorkBudget()
    members: Mapping[str, Member] = Field(default_factory=dict)
    topics: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    messages: Messages = Messages()
    bus: BusSpec = BusSpec()
