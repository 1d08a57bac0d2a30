"""Has units look at what the gateway told: those whose work changed, at each of its answers."""

from __future__ import annotations

from sutazai.fleet.errors import NotFound
from sutazai.host.admission.desk import Desk
from sutazai.host.endpoints import Endpoints
from sutazai.host.units.supervisor import Supervisor


async def heed(endpoints: Endpoints, supervisor: Supervisor, desk: Desk) -> None:
    """Runs until it is cancelled. Costs nothing while no agent has anything in hand."""
    while True:
        await endpoints.heard.wait()
        desk.look_at_llm()
        for agent in endpoints.active:
            try:
                unit = supervisor.unit(agent)
            except NotFound:  # it was taken away, and ends what it has
                continue
            unit.poke()
