"""All agents of a fleet at a glance, group by group. Pure."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from urllib.parse import quote

from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import AgentStatus, FleetStatus
from sutazai.web.look.words import colour

SIGNS = {Temperature.HOT: "H", Temperature.WARM: "W", Temperature.COLD: "C"}
LEGEND = "H hot · W warm · C cold; the colour is the state: hover or focus a tile for its name."


def fleet_map(status: FleetStatus) -> str:
    """A tile for each agent, in its group."""
    groups: defaultdict[str, list[AgentStatus]] = defaultdict(list)
    for agent in status.agents:
        groups[agent.group].append(agent)
    return "".join(_group(name, members) for name, members in groups.items())


def _group(name: str, members: list[AgentStatus]) -> str:
    tiles = "".join(_tile(agent) for agent in members)
    return (
        f'<div class="group"><h3>{escape(name)} ({len(members)})</h3>'
        f'<ul class="tiles">{tiles}</ul></div>'
    )


def _tile(agent: AgentStatus) -> str:
    more = f" {len(agent.instances)}" if len(agent.instances) > 1 else ""
    reason = f": {agent.reason}" if agent.reason else ""
    said = f"{agent.name}, {agent.temperature}, {agent.state}{more}{reason}"
    return (
        f'<li><a class="tile {colour(agent.state)}" href="/agents/{quote(agent.name)}" '
        f'title="{escape(said)}" aria-label="{escape(said)}">'
        f"{SIGNS[agent.temperature]}{escape(more)}</a></li>"
    )
