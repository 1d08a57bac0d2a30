"""Hands out turns to start as soon as there are any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sutazai.host.units.turns import Claim, Turns


class Handing:
    """Has ``turns`` hand out each turn in time, and tells by ``poke`` whose it is."""

    def __init__(self, turns: Turns, poke: Callable[[str], None]) -> None:
        self._turns = turns
        self._poke = poke
        self._giving: asyncio.Handle | None = None
        self._giving_at = 0.0

    def claim(self, claim: Claim) -> int:
        """How many instances the unit starts now.

        The others get their turns once all units that changed with this one have said what they
        want, for who comes first is not the one who asks first.
        """
        given = self._turns.claim(claim)
        self._give_in_time()
        return given

    def _give_in_time(self) -> None:
        at = self._turns.due_at
        if at is None or (self._giving is not None and self._giving_at <= at):
            return
        if self._giving is not None:
            self._giving.cancel()
        pause = max(0.0, at - time.monotonic())
        self._giving_at = at
        self._giving = asyncio.get_running_loop().call_later(pause, self._give)

    def _give(self) -> None:
        self._giving = None
        for unit in self._turns.give(time.monotonic()):
            self._poke(unit)
        self._give_in_time()
