"""Carries letters from the outbox to their targets, again and again until they are taken."""

from __future__ import annotations

import asyncio
import contextlib

from sutazai.control.alerts.desk import AlertDesk
from sutazai.control.alerts.sending import Sender
from sutazai.observe.alerts.outbox import Letter

NAP = 5.0


async def deliver(desk: AlertDesk, sender: Sender, *, nap: float = NAP) -> None:
    """Sends what is due, until cancelled. Of a target that refuses it is told once, until it takes
    something again.

    Args:
        nap: seconds between two looks at whether something is to be tried again.
    """
    troubled: set[str] = set()
    while True:
        await _rung(desk.to_send, nap)
        if letters := desk.due():
            sent = await sender.send(letters)
            await desk.settle(sent.taken, frozenset(sent.refused))
            for letter in letters:
                await _tell(desk, letter, sent.refused.get(letter.id), troubled)


async def _tell(desk: AlertDesk, letter: Letter, why: str | None, troubled: set[str]) -> None:
    if why is None:
        troubled.discard(letter.target)
    elif letter.target not in troubled:
        troubled.add(letter.target)
        message = f"{letter.target} cannot be notified and is tried again: {why}"
        await desk.tell("notification-failed", message, target=letter.target)


async def _rung(bell: asyncio.Event, nap: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(nap):
            await bell.wait()
    bell.clear()
