"""Is it well, what needs me, what changed: the page that people leave open."""

from __future__ import annotations

from html import escape

from nicegui import ui

from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import FleetStatus, State
from sutazai.fleet.units import format_size
from sutazai.web.feed import Feed, View
from sutazai.web.look import pieces
from sutazai.web.look.fleet_map import LEGEND, fleet_map
from sutazai.web.look.page import page
from sutazai.web.look.verdict import TONES, verdict

EVENTS = 12
AWAKE = (State.HEALTHY, State.UNHEALTHY, State.STARTING)


def install(feed: Feed) -> None:
    """Adds the page."""

    @ui.page("/")
    async def overview() -> None:
        await feed.glance()
        with page("Overview", "/", feed) as updates:
            ui.html("<h1>Overview</h1>", sanitize=False)
            well = ui.html("", sanitize=False).props('aria-live="polite"').classes("w-full")
            figures = ui.html("", sanitize=False).classes("w-full")
            with ui.element("div").classes("panel"):
                ui.html("<h2>Agents</h2>", sanitize=False)
                agents = ui.html("", sanitize=False)
                ui.html(f'<p class="faint">{escape(LEGEND)}</p>', sanitize=False)
            with ui.element("div").classes("panel"):
                ui.html("<h2>What changed</h2>", sanitize=False)
                changed = ui.html("", sanitize=False)

        def show(view: View) -> None:
            changed.set_content(pieces.events(view.events[:EVENTS]))
            if (status := view.status) is None:
                return
            well.set_content(verdict(status, view.alerts))
            figures.set_content(_figures(status, view.open_tasks))
            agents.set_content(fleet_map(status))

        updates.show(show)


def _figures(status: FleetStatus, open_tasks: int) -> str:
    hot = status.pools.get(Temperature.HOT)
    awake = sum(agent.state in AWAKE for agent in status.agents)
    pressure, llm = status.pressure, status.llm
    parts = (
        pieces.figure(
            f"{hot.healthy} of {hot.declared}" if hot else "none", "hot agents that are healthy"
        ),
        pieces.figure(f"{awake} of {len(status.agents)}", "agents awake"),
        pieces.figure(
            f"{pressure.percent:g} %",
            f"memory in use of {format_size(pressure.total)}",
            meter=pressure.percent / 100,
            tone=TONES[pressure.level],
        ),
        pieces.figure(
            f"{llm.running} of {llm.slots}",
            "LLM slots busy",
            meter=llm.running / llm.slots if llm.slots else 0.0,
        ),
        pieces.figure(str(llm.queued), "LLM calls waiting"),
        pieces.figure(str(open_tasks), "tasks under way"),
    )
    return f'<div class="grid figures">{"".join(parts)}</div>'
