"""Has units look at what the gateway told: those whose work changed, at each of its answers."""

from __future__ import annotations

from sutazai.host.admission.desk import Desk
from sutazai.host.endpoints import Endpoints
from sutazai.host.units.supervisor import Supervisor


async def heed(endpoints: Endpoints, supervisor: Supervisor, desk: Desk) -> None:
    """Runs until it is cancelled. Costs nothing while no agent has anything in hand."""
    while True:
        await endpoints.heard.wait()
        desk.look_at_llm()
        for agent in endpoints.active:
            for unit in supervisor.serving(agent):
                unit.poke()
