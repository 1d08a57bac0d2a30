"""What every call needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sutazai.fleet.ids import new_id
from sutazai.fleet.routes import Routes
from sutazai.fleet.serving import AUTO_RULES, AutoRule, Overflow
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.callers.activity import Activity
from sutazai.gateway.callers.budgets import Budgets
from sutazai.gateway.callers.tasks import Tasks
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.costs import Costs
from sutazai.gateway.calls.courses import Courses
from sutazai.gateway.calls.departures import Departures
from sutazai.gateway.calls.patience import PATIENCE
from sutazai.gateway.calls.ways import Ways
from sutazai.gateway.context.contexts import Contexts
from sutazai.gateway.queue.admission import Admission
from sutazai.gateway.records.ledger import Ledger
from sutazai.gateway.records.letters import Letters
from sutazai.gateway.sharing.cache import AnswerCache
from sutazai.wire import Client


@dataclass
class Plant:
    """The parts that calls go through, and the policy that holds for all of them.

    ``clock`` is monotonic, ``wall`` the time since 1970, in seconds. ``patience`` is how many
    seconds a stream is silent before its client is told that it waits.
    """

    client: Client
    backends: Backends
    admission: Admission
    budgets: Budgets
    tasks: Tasks
    cache: AnswerCache
    ledger: Ledger
    letters: Letters
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    patience: float = PATIENCE
    costs: Costs = field(default_factory=Costs)
    contexts: Contexts = field(default_factory=Contexts)
    activity: Activity = field(default_factory=Activity)
    departures: Departures = field(default_factory=Departures)
    courses: Courses = field(init=False)
    ways: Ways = field(init=False)
    auto: tuple[AutoRule, ...] = AUTO_RULES
    overflow: Overflow = Overflow.REJECT
    shares: bool = True
    keeps_contents: bool = False
    _prefix: str = field(default_factory=lambda: new_id("call"))
    _calls: int = 0

    def __post_init__(self) -> None:
        self.courses, self.ways = Courses(self.backends), Ways(self.backends)

    def apply(self, routes: Routes) -> None:
        """The policy from now on; calls under way go on as they began."""
        self.auto = routes.auto
        self.overflow = routes.queue.overflow
        self.shares = routes.cache.share
        self.keeps_contents = routes.record.contents
        self.cache.update(routes.cache.size, routes.cache.age)

    def open_account(self) -> Account:
        """The account of a call that has just come."""
        self._calls += 1
        name, keeps = f"{self._prefix}-{self._calls}", self.keeps_contents
        clock, wall = self.clock, self.wall
        return Account(name, self.ledger, clock, wall, keeps, clock(), wall())
