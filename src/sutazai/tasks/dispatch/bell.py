"""Wakes the dispatcher: at once from this process, and through Postgres from any other."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import psycopg

from sutazai.store.sharing import CHANNEL, ORIGIN

HEARD_WITHIN = 2.0
"""Seconds in which a ring of our own must come back, or nothing will ever be heard."""
RECONNECT = 2.0

log = logging.getLogger(__name__)


class Bell:
    """Rings are not counted: whoever waits is woken once for all of them.

    ``hears`` says whether rings of other processes come through.
    """

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self.hears = False

    def ring(self) -> None:
        """Wakes who waits, or the next one who does."""
        self._rung.set()

    async def wait(self, seconds: float | None) -> None:
        """Until it rings, ``seconds`` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


async def listen(url: str, bell: Bell) -> None:
    """Rings ``bell`` whenever another process changed the queue, until cancelled.

    A pooler in transaction mode passes nothing on. That is noticed by a ring of our own, and then
    the dispatcher has to look from time to time.
    """
    plain = url.replace("postgresql+psycopg:", "postgresql:")
    while True:
        try:
            await _listen_once(plain, bell)
            log.warning("the database's pooler passes no notifications on: polling instead")
            return
        except psycopg.Error as error:
            log.info("not listening to the database: %s", error)
        finally:
            bell.hears = False
        bell.ring()  # what rang meanwhile was not heard
        await asyncio.sleep(RECONNECT)


async def _listen_once(url: str, bell: Bell) -> None:
    connecting = psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)
    async with await connecting as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        await connection.execute(f"NOTIFY {CHANNEL}")
        async for _ in connection.notifies(timeout=HEARD_WITHIN, stop_after=1):
            bell.hears = True
        if not bell.hears:
            return
        async for notice in connection.notifies():
            if notice.payload != ORIGIN:
                bell.ring()
