"""Work in flight in this process, by the task or run it is for, so that it can be withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Withdrawn(Exception):
    """The task or run was cancelled while this piece of it was in flight."""


class InFlight:
    """Runs pieces of work that ``withdraw`` can end at once."""

    def __init__(self) -> None:
        self._pieces: dict[str, set[asyncio.Task[Any]]] = {}

    async def run(self, owner: str, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` gives. Raises Withdrawn when its owner is withdrawn meanwhile."""
        piece = asyncio.create_task(work, name=f"work of {owner}")
        self._pieces.setdefault(owner, set()).add(piece)
        try:
            return await piece
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise  # not the piece was withdrawn, the process ends
            raise Withdrawn(owner) from None
        finally:
            self._pieces[owner].discard(piece)
            if not self._pieces[owner]:
                del self._pieces[owner]

    def withdraw(self, owner: str) -> None:
        """Cancels every piece of work of one task or run."""
        for piece in self._pieces.get(owner, ()):
            piece.cancel()
