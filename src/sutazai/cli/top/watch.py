"""`sutazai top` on a terminal: draws what is new, obeys keys at once, asks for what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

from rich.console import Console
from rich.live import Live

from sutazai.cli.top.figures import Figures, Sort
from sutazai.cli.top.keys import View, Viewing, keys_of
from sutazai.cli.top.screen import Page, watched_view
from sutazai.cli.top.terminal import Terminal
from sutazai.fleet.errors import SutazaiError

EVERY = 2.0
"""Seconds between two looks at a page."""

Looks = Callable[[], AsyncGenerator[Figures]]
Read = Callable[[View], Awaitable[Page]]


class TopScreen:
    """What is shown now.

    Args:
        looks: gives new figures again and again.
        read: gives a view other than that of agents; raises SutazaiError.
    """

    def __init__(self, screen: Console, sort: Sort, looks: Looks, read: Read) -> None:
        self._screen = screen
        self._looks = looks
        self._read = read
        self._viewing = Viewing(sort=sort)
        self._figures: Figures | None = None
        self._newest: Figures | None = None
        self._pages: dict[View, Page] = {}
        self._changed = asyncio.Event()
        self._turned = asyncio.Event()

    async def run(self) -> None:
        """Shows figures until somebody leaves. Raises what looking raises."""
        live = Live(console=self._screen, screen=True, auto_refresh=False)
        with Terminal(live, self._type, self._changed.set):
            async with AsyncExitStack() as owned:
                looking = self._begin(owned, self._look(), "look")
                reading = self._begin(owned, self._turn_pages(), "read pages")
                while not (self._viewing.left or looking.done() or reading.done()):
                    self._draw(live)
                    await self._changed.wait()
                    self._changed.clear()

    def _begin(
        self, owned: AsyncExitStack, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        """A task that ends with ``owned``, and is noticed when it ends by itself."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._changed.set())
        owned.push_async_callback(_ended, task)
        return task

    async def _look(self) -> None:
        async with aclosing(self._looks()) as looks:
            async for figures in looks:
                self._newest = figures
                self._changed.set()

    async def _turn_pages(self) -> None:
        """Reads what is shown, again and again, and at once what somebody turns to."""
        while True:
            view = self._viewing.view
            if self._wants(view):
                with suppress(SutazaiError):  # what was told before stays, with its time
                    self._pages[view] = await self._read(view)
                    self._changed.set()
            if self._viewing.view is view:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), EVERY)
            self._turned.clear()

    def _wants(self, view: View) -> bool:
        """Agents are seen in the figures; while it is paused, only what was never seen is read."""
        return view is not View.AGENTS and not (self._viewing.paused and view in self._pages)

    def _type(self, typed: bytes) -> None:
        before = self._viewing.view
        for key in keys_of(typed):
            self._viewing = self._viewing.pressed(key)
        if self._viewing.view is not before:
            self._turned.set()
        self._changed.set()

    def _draw(self, live: Live) -> None:
        if not self._viewing.paused:
            self._figures = self._newest
        if self._figures is None or not live.is_started:
            return
        width, height = self._screen.size
        page = self._pages.get(self._viewing.view)
        view, self._viewing = watched_view(
            self._figures, self._viewing, page, width=width, height=height
        )
        live.update(view, refresh=True)


async def _ended(task: asyncio.Task[None]) -> None:
    """Ends the task; what it raised by itself is raised here."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
