"""Follows what happens in a fleet, over every restart of control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from rich.text import Text

from sutazai.cli.console import clock, plain
from sutazai.cli.fleets import is_running
from sutazai.client import Control
from sutazai.fleet.errors import DeadlineExceeded, NotRunning, PeerClosed, Unavailable
from sutazai.fleet.status import Event

RETRY_AFTER = 0.5
LOST = (DeadlineExceeded, PeerClosed, Unavailable)
"""What a stream from a control that ends may raise; not to be connected is Unavailable too."""

_STYLES = {"failed": "red", "exited": "yellow", "unhealthy": "yellow", "healthy": "green"}


async def ask_again_soon(control: Control) -> None:
    """Wait a little for a control that restarts. Raises NotRunning where the fleet has ended."""
    if not is_running(control.places):
        raise NotRunning("the fleet was stopped", hint="sutazai up")
    await asyncio.sleep(RETRY_AFTER)


async def recent_events(control: Control) -> list[Event]:
    """The events that control still has, oldest first."""
    return [Event.model_validate(event) for event in await control.get("/events", after=0)]


async def follow_events(control: Control, after: int) -> AsyncIterator[Event]:
    """Events after the one numbered ``after``, as they happen, until the fleet ends (NotRunning).

    A control that restarts is asked again from the last event seen.
    """
    while True:
        try:
            async for event in _stream(control, after):
                after = max(after, event.sequence)
                yield event
        except LOST:
            pass  # it restarts, or the fleet ends
        await ask_again_soon(control)


async def _stream(control: Control, after: int) -> AsyncIterator[Event]:
    async with aclosing(control.events("GET", "/events", after=after, follow=1)) as messages:
        async for message in messages:
            yield Event.model_validate_json(message.data)


def event_line(event: Event) -> Text:
    """One event for people."""
    return Text.assemble(
        (clock(event.at), "dim"),
        " ",
        (event.unit or event.source, "bold"),
        " ",
        (plain(event.message), _STYLES.get(event.kind, "")),
    )
