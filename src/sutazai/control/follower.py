"""Keeps one peer at the newest snapshot of a policy: pushed once, and whenever it fell behind."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sutazai.control.feed import EventFeed
from sutazai.fleet.desired import Desired
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.routes import Routes
from sutazai.store import Policies

S = TypeVar("S", Desired, Routes)

log = logging.getLogger(__name__)


class Follower(Generic[S]):
    """One peer and what it should know.

    Args:
        kind: what the snapshots are; their numbers are kept under this name.
        look: the revision that the peer has now.
        push: hands it a snapshot.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        look: Callable[[], Awaitable[int]],
        push: Callable[[S], Awaitable[None]],
        policies: Policies,
        feed: EventFeed,
    ) -> None:
        self._name = name
        self._kind = kind
        self._look = look
        self._push: Callable[[S], Awaitable[None]] = push
        self._policies = policies
        self._feed = feed
        self._snapshot: S | None = None
        self._digest = ""
        self._told = False
        self._lost = False

    @property
    def told(self) -> bool:
        """Whether the peer was told the newest snapshot in its present life."""
        return self._told

    @property
    def revision(self) -> int:
        """The number of the newest snapshot, 0 before the first."""
        return self._snapshot.revision if self._snapshot is not None else 0

    @property
    def snapshot(self) -> S | None:
        """The newest snapshot, None before the first."""
        return self._snapshot

    def tell_again(self) -> None:
        """The next `align` tells the peer the newest snapshot, whatever it says that it has."""
        self._told = False

    async def offer(self, snapshot: S) -> None:
        """The newest snapshot; its number changes only when its content does."""
        content = snapshot.model_dump_json(exclude={"revision"}).encode()
        digest = hashlib.sha256(content).hexdigest()[:16]
        if digest != self._digest:
            self._told = False
        self._digest = digest
        await self._number(snapshot, above=0)

    async def align(self) -> None:
        """Looks where the peer stands, and pushes if it does not stand where it should."""
        try:
            await self._align()
        except SutazaiError as error:
            await self._lose(error)

    async def _align(self) -> None:
        seen = await self._look()
        await self._find()
        snapshot = self._snapshot
        if snapshot is None or (self._told and seen == snapshot.revision):
            return
        if seen > snapshot.revision:  # our database is younger than the peer's copy
            snapshot = await self._number(snapshot, above=seen)
        await self._push(snapshot)
        self._told = True
        log.info("the %s has %s %d", self._name, self._kind, snapshot.revision)

    async def _number(self, snapshot: S, above: int) -> S:
        number = await self._policies.number(self._kind, self._digest, above=above)
        self._snapshot = snapshot.model_copy(update={"revision": number})
        return self._snapshot

    async def _lose(self, error: SutazaiError) -> None:
        """A peer that does not answer may have been restarted when it does again: tell it anew."""
        was_there, self._told = self._told, False
        if was_there and not self._lost:
            self._lost = True
            await self._feed.add("lost", f"the {self._name} does not answer: {error.message}")

    async def _find(self) -> None:
        if self._lost:
            self._lost = False
            await self._feed.add("back", f"the {self._name} answers again")
