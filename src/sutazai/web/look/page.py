"""The frame that every page stands in."""

from __future__ import annotations

import html
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from nicegui import ui

from sutazai.fleet.errors import SutazaiError
from sutazai.web.feed import Feed, View
from sutazai.web.look.words import ago

PAGES = (
    ("/", "Overview"),
    ("/agents", "Agents"),
    ("/gateway", "Gateway"),
    ("/work", "Work"),
    ("/rollouts", "Rollouts"),
    ("/revisions", "Revisions"),
    ("/drift", "Drift"),
    ("/alerts", "Alerts"),
    ("/events", "Events"),
)
EVERY = 1.0
"""Seconds between two updates of an open page."""

Show = Callable[[View], None]
Ask = Callable[[], Awaitable[None]]


@cache
def style() -> str:
    """The style sheet."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def plain_page(title: str, body: str) -> str:
    """A page that needs no connection; ``body`` is HTML."""
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)} · SutazAI</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style()}</style></head>
<body class="entry"><script>if ({dark}) document.body.classList.add('body--dark')</script>
<main>{body}</main></body></html>"""


@contextmanager
def page(title: str, here: str, feed: Feed) -> Iterator[Updates]:
    """The frame of a page, to be filled inside the block.

    ``here`` is the path of the page that it belongs to. What is given to ``Updates.show`` is called
    with the fleet as it is, at once and then every second.
    """
    ui.page_title(f"{title} · SutazAI")
    ui.add_css(style())
    updates = Updates(feed)
    with ui.header(), ui.element("nav").classes("top").props('aria-label="pages"'):
        fleet = feed.view.status.fleet if feed.view.status else "SutazAI"
        ui.html(f"<strong>{html.escape(fleet)}</strong>", sanitize=False)
        for path, name in PAGES:
            link = ui.link(name, path)
            if path == here:
                link.props('aria-current="page"')
        with ui.element("div").classes("end"):
            _dark_switch()
    with ui.element("main").classes("grid"):
        notice = ui.label().classes("notice").props('role="alert"')
        notice.set_visibility(False)
        updates.show(lambda view: _tell(notice, view))
        yield updates
    ui.timer(EVERY, updates.look)
    ui.timer(EVERY, updates.renew)


class Updates:
    """Keeps a page up to date: with each new look at the fleet, and with what else it asks of
    control. Neither waits for the other, so that a silent control is told at once."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._shows: list[Show] = []
        self._asks: list[Ask] = []

    def show(self, show: Show) -> None:
        """``show`` is called with each new view."""
        self._shows.append(show)

    def ask(self, place: ui.html, asked: Callable[[], Awaitable[str]], *, every: int = 1) -> None:
        """Shows in ``place`` the HTML that ``asked`` gives, or why it cannot: at each update, or
        at one of ``every`` so many."""

        async def one() -> tuple[str]:
            return (await asked(),)

        self.ask_all((place,), one, every=every)

    def ask_all(
        self,
        places: Sequence[ui.html],
        asked: Callable[[], Awaitable[Sequence[str]]],
        *,
        every: int = 1,
    ) -> None:
        """The same with several places, so that what seldom changes, as buttons that somebody is
        about to press, is not drawn anew with what often does."""
        looks = count()

        async def ask() -> None:
            if next(looks) % every:
                return
            try:
                for place, content in zip(places, await asked(), strict=True):
                    place.set_content(content)
            except SutazaiError as error:
                places[0].set_content(f'<p class="notice">{html.escape(error.message)}</p>')

        self._asks.append(ask)

    async def look(self) -> None:
        """Looks, and shows what there is."""
        view = await self._feed.look()
        for show in self._shows:
            show(view)

    async def renew(self) -> None:
        """Asks control, one question after the other, and shows what it answers."""
        for ask in self._asks:
            await ask()


def _tell(notice: ui.label, view: View) -> None:
    notice.set_visibility(bool(view.trouble))
    if view.trouble:
        seen = ago(time.time() - view.seen) if view.seen else "never"
        notice.set_text(f"Control does not answer ({view.trouble}). Last seen: {seen}.")


def _dark_switch() -> None:
    dark = ui.dark_mode(value=None)

    def turn() -> None:
        dark.set_value(not dark.value)

    ui.button("Dark or light", on_click=turn).props("flat dense no-caps color=primary")
