"""The fleet's event log, the newest first."""

from __future__ import annotations

from nicegui import ui

from sutazai.web.feed import Feed, View
from sutazai.web.look import pieces
from sutazai.web.look.page import page


def install(feed: Feed) -> None:
    """Adds the page."""

    @ui.page("/events")
    async def events() -> None:
        await feed.glance()
        with page("Events", "/events", feed) as updates:
            ui.html("<h1>Events</h1>", sanitize=False)
            search = ui.input("Only those that contain").props("clearable outlined dense")
            with ui.element("div").classes("panel"):
                shown = ui.html("", sanitize=False)

        def show(view: View) -> None:
            text = (search.value or "").casefold()
            found = [one for one in view.events if text in f"{one.unit} {one.message}".casefold()]
            shown.set_content(pieces.events(found))

        updates.show(show)
