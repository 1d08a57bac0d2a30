"""Waits until a fleet that was just started is ready, or says what keeps it from that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sutazai.client import Control
from sutazai.fleet.desired import Kind
from sutazai.fleet.errors import Failed, SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet, Temperature
from sutazai.fleet.status import FleetStatus, HostStatus, State, UnitStatus
from sutazai.wire import Address, Client, Timeout

READY_WITHIN = 120.0
ENDS_ENOUGH = 4
"""A process of ours that ended so often while it started will not come up; the host goes on trying,
for later it may, but nobody should wait for it now."""

FOREIGN_LLM_WITHIN = 5.0
"""How long an LLM that is not ours may keep a start waiting; it may never answer."""
LOOK_EVERY = 0.2
EMBEDDED = "embedded"
LOOK_WITHIN = 2.0
QUICK = Timeout(connect=1.0, headers=LOOK_WITHIN, idle=LOOK_WITHIN)

# A hot agent in one of these is as far as it will come without somebody's doing.
SETTLED = frozenset(
    {State.HEALTHY, State.EXTERNAL, State.STOPPED, State.NOT_INSTALLED, State.FAILED}
)


@dataclass(frozen=True)
class Progress:
    """How far a start has come.

    ``failed`` holds what will not come up by waiting, ``late`` what is not settled yet: hot agents,
    and processes of ours.
    """

    hot: frozenset[str]
    status: FleetStatus | None = None
    failed: tuple[UnitStatus, ...] = ()
    late: tuple[UnitStatus, ...] = ()

    @property
    def llm(self) -> bool:
        """Whether the model answers."""
        return self.status is not None and self.status.llm.healthy

    @property
    def healthy(self) -> int:
        """Hot agents that are well."""
        units = _hot(self.status, self.hot)
        return sum(unit.state in (State.HEALTHY, State.EXTERNAL) for unit in units)

    @property
    def settled(self) -> bool:
        """Whether nothing will change any more by waiting."""
        return self.llm and not self.late

    @property
    def waits_for_a_foreign_llm(self) -> bool:
        """Whether all of ours is ready, and only an LLM that we did not start is not."""
        foreign = self.status is not None and self.status.llm.source != EMBEDDED
        return foreign and not self.late and not self.llm

    @property
    def broken(self) -> bool:
        """Whether a process of ours, which the fleet cannot be without, does not come up."""
        return any(unit.kind is Kind.PLANE for unit in self.failed)


def hot_agents(fleet: Fleet) -> frozenset[str]:
    """The names of the agents that should run as soon as the fleet does."""
    return frozenset(
        name
        for name, agent in fleet.agents.items()
        if agent.temperature is Temperature.HOT and agent.replicas
    )


def progress(
    status: FleetStatus | None, host: HostStatus | None, *, hot: frozenset[str]
) -> Progress:
    """What control and host say, where they answer, put together.

    Args:
        hot: the names of the agents that are to come up.
    """
    known = status.planes if status else host.units if host else ()
    units = [*(unit for unit in known if unit.kind is Kind.PLANE), *_hot(status, hot)]
    return Progress(
        hot=hot,
        status=status,
        failed=tuple(unit for unit in units if _will_not_come_up(unit)),
        late=tuple(
            unit for unit in units if unit.state not in SETTLED and not _will_not_come_up(unit)
        ),
    )


def _will_not_come_up(unit: UnitStatus) -> bool:
    ends_again_and_again = (
        unit.kind is Kind.PLANE and unit.state is State.BACKING_OFF and unit.restarts >= ENDS_ENOUGH
    )
    return unit.state is State.FAILED or ends_again_and_again


async def wait_until_settled(
    places: Places,
    control: Control,
    *,
    hot: frozenset[str],
    alive: Callable[[], bool],
    show: Callable[[Progress], None],
) -> Progress:
    """Look until everything is ready or has failed, at most ``READY_WITHIN`` seconds.

    Args:
        alive: whether the keeper still runs.
        show: called with each look.

    Returns the last look; where time ran out it is not ``settled``. Raises Failed if the keeper
    ended.
    """
    seen, patience = Progress(hot), FOREIGN_LLM_WITHIN
    try:
        async with asyncio.timeout(READY_WITHIN), Client() as client:
            while not seen.settled and not seen.broken and patience > 0:
                patience -= LOOK_EVERY if seen.waits_for_a_foreign_llm else 0
                if not alive():
                    raise Failed("the keeper ended", hint=f"its log: {places.logs / 'keeper.log'}")
                status = await _control(control)
                host = None if status else await _host(client, places)
                seen = progress(status, host, hot=hot)
                show(seen)
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        pass  # the caller sees that it is not settled, and says what is late
    return seen


def _hot(status: FleetStatus | None, names: frozenset[str]) -> list[UnitStatus]:
    return [agent for agent in (status.agents if status else ()) if agent.name in names]


async def _control(control: Control) -> FleetStatus | None:
    try:
        return await control.status(within=LOOK_WITHIN)
    except SutazaiError:  # not there yet; what fails for good is seen in the host's status
        return None


async def _host(client: Client, places: Places) -> HostStatus | None:
    try:
        value = await client.call(
            "GET", Address.parse(f"unix:{places.host_socket}"), "/status", timeout=QUICK
        )
    except SutazaiError:  # not there yet; the keeper starts it again if it died
        return None
    return HostStatus.model_validate(value)
