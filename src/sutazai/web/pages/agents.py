"""All agents in a table that can be searched and sorted, however many there are."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from sutazai.fleet.status import AgentStatus
from sutazai.web.feed import Feed, View
from sutazai.web.look.page import page
from sutazai.web.look.words import colour

COLUMNS: list[dict[str, Any]] = [
    {"name": name, "label": name, "field": name, "sortable": True, "align": align}
    for name, align in (
        ("name", "left"),
        ("state", "left"),
        ("temperature", "left"),
        ("group", "left"),
        ("tier", "left"),
        ("instances", "right"),
        ("restarts", "right"),
        ("why", "left"),
    )
]
NAME_CELL = """
<q-td :props="props"><a :href="'/agents/' + encodeURIComponent(props.value)">{{ props.value }}</a>
</q-td>"""
STATE_CELL = """
<q-td :props="props"><span :class="'state ' + props.row.colour">{{ props.value }}</span></q-td>"""


def install(feed: Feed) -> None:
    """Adds the page."""

    @ui.page("/agents")
    async def agents() -> None:
        await feed.glance()
        with page("Agents", "/agents", feed) as updates:
            ui.html("<h1>Agents</h1>", sanitize=False)
            search = ui.input("Search by name, state or group").props("clearable outlined dense")
            table = ui.table(columns=COLUMNS, rows=[], row_key="name")
            table.props('virtual-scroll :rows-per-page-options="[0]" hide-pagination flat')
            table.classes("w-full").style("max-height: 75vh")
            table.add_slot("body-cell-name", NAME_CELL)
            table.add_slot("body-cell-state", STATE_CELL)
            table.bind_filter_from(search, "value")

        def show(view: View) -> None:
            rows = [_row(agent) for agent in view.status.agents] if view.status else []
            if rows != table.rows:  # all rows go over the wire, so only when there is news
                table.update_rows(rows)

        updates.show(show)


def _row(agent: AgentStatus) -> dict[str, Any]:
    return {
        "name": agent.name,
        "state": agent.state.value,
        "colour": colour(agent.state),
        "temperature": agent.temperature.value,
        "group": agent.group,
        "tier": agent.tier,
        "instances": len(agent.instances),
        "restarts": agent.restarts,
        "why": agent.reason,
    }
