"""The views that instances of one fleet share: one for users of their own, one for the host's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from sutazai.fleet.errors import Unavailable
from sutazai.fleet.places import Places
from sutazai.host.isolation.homes import make_passable
from sutazai.host.isolation.paths import both, closed_above, is_in, modules
from sutazai.host.isolation.view import View, make_view

LET_GO = 60.0
"""Seconds after which a view that another one replaced is let go of: no start takes as long."""


class Views:
    """Made when they are first needed, and again where a unit needs to see more.

    Args:
        environment: the folders of Python and its packages, which all instances see.

    Attributes:
        refused: why this machine allows none, empty while it does.
    """

    def __init__(self, places: Places, environment: frozenset[str]) -> None:
        self._hidden = sorted({*both(str(places.state), str(places.runtime))})
        self._environment = environment - frozenset(self._hidden)
        self._views: dict[bool, View] = {}
        self._one_at_a_time = asyncio.Lock()
        self._places = places
        self._expected: frozenset[str] = frozenset()
        self.refused = ""

    def expect(self, paths: Iterable[str]) -> None:
        """All that units will want to see: shown at once, so that few views are made."""
        self._expected = frozenset(paths) - frozenset(self._hidden)

    async def find(self, seen: Iterable[str], *, own: bool, uid: int | None = None) -> View | None:
        """A view in which ``seen`` is there, None where this machine allows none."""
        async with self._one_at_a_time:
            view = self._views.get(own)
            needed = frozenset(seen) - frozenset(self._hidden)
            if not self.refused and (view is None or self._lacks(view, needed, own=own)):
                before = view.shown if view else frozenset()
                view = await self._make(needed | self._expected | before, own, uid)
            return view

    async def hides(self) -> bool:
        """Whether the fleet's own files and sockets are out of the instances' sight."""
        return bool(self._views) or await self.find((), own=False) is not None

    async def why_not_own(self, seen: Iterable[str], uid: int) -> str:
        """Why nobody but the host's user could run in a view; empty where ``uid`` can."""
        view = await self.find(seen, own=True, uid=uid)
        if view is None:
            return self.refused
        if view.unreadable:
            return f"{view.unreadable[0]} is closed to other users; chmod -R o+rX"
        return ""

    def close(self) -> None:
        """Lets go of all views."""
        for view in self._views.values():
            view.close()
        self._views.clear()

    def _lacks(self, view: View, needed: frozenset[str], *, own: bool) -> bool:
        return any(
            is_in(path, self._hidden) or (own and closed_above(path))
            for path in needed
            if not is_in(path, view.shown)
        )

    async def _make(self, needed: frozenset[str], own: bool, uid: int | None) -> View | None:
        always = (self._places.homes, self._places.agents_socket.parent)
        for folder in always:
            make_passable(folder)
        shown = self._environment | {*both(*needed, *map(str, always))}
        closed = {folder for path in shown for folder in closed_above(path)} if own else set()
        make = partial(
            make_view,
            closed=sorted(closed),
            hidden=self._hidden,
            shown=shown,
            uid=uid,
            probed=modules() if uid is not None else (),
        )
        try:
            view = await asyncio.to_thread(make)
        except Unavailable as error:
            self.refused = error.message
            return None
        if own in self._views:  # somebody may be on the way into it
            asyncio.get_running_loop().call_later(LET_GO, self._views[own].close)
        self._views[own] = view
        return view
