"""`sutazai top` on a terminal: draws what is new, and obeys keys at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from rich.console import Console
from rich.live import Live

from sutazai.cli.top_figures import Figures, Sort
from sutazai.cli.top_keys import Viewing, keys_of
from sutazai.cli.top_terminal import Terminal
from sutazai.cli.top_view import watched_view

Looks = Callable[[], AsyncGenerator[Figures]]


class TopScreen:
    """What is shown now. ``looks`` gives new figures again and again."""

    def __init__(self, screen: Console, sort: Sort, looks: Looks) -> None:
        self._screen = screen
        self._looks = looks
        self._viewing = Viewing(sort=sort)
        self._figures: Figures | None = None
        self._newest: Figures | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Shows figures until somebody leaves. Raises what looking raises."""
        live = Live(console=self._screen, screen=True, auto_refresh=False)
        with Terminal(live, self._type, self._changed.set):
            looking = asyncio.create_task(self._look(), name="look")
            looking.add_done_callback(lambda _: self._changed.set())
            try:
                while not self._viewing.left and not looking.done():
                    self._draw(live)
                    await self._changed.wait()
                    self._changed.clear()
            finally:
                await _ended(looking)

    async def _look(self) -> None:
        async with aclosing(self._looks()) as looks:
            async for figures in looks:
                self._newest = figures
                self._changed.set()

    def _type(self, typed: bytes) -> None:
        for key in keys_of(typed):
            self._viewing = self._viewing.pressed(key)
        self._changed.set()

    def _draw(self, live: Live) -> None:
        if not self._viewing.paused:
            self._figures = self._newest
        if self._figures is None or not live.is_started:
            return
        width, height = self._screen.size
        view, self._viewing = watched_view(self._figures, self._viewing, width=width, height=height)
        live.update(view, refresh=True)


async def _ended(looking: asyncio.Task[None]) -> None:
    """Ends the task; what it raised by itself is raised here."""
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
