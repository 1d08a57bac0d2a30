"""Reads the host's events as they come, over restarts of either side."""

from __future__ import annotations

import asyncio
import logging

from pydantic import ValidationError

from sutazai.control.feed import EventFeed
from sutazai.control.peers import Peer
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.status import Event
from sutazai.wire import LineSplitter

LINE_MAX = 256 * 1024
AGAIN_AFTER = 0.5

log = logging.getLogger(__name__)


async def tail(peer: Peer, feed: EventFeed) -> None:
    """Takes the events of ``peer`` over into ``feed``, until cancelled."""
    while True:
        try:
            await _follow(peer, feed)
        except SutazaiError as error:
            log.debug("the %s does not tell its events: %s", peer.name, error)
        await asyncio.sleep(AGAIN_AFTER)


async def _follow(peer: Peer, feed: EventFeed) -> None:
    after = await feed.position(peer.name)
    lines = LineSplitter(LINE_MAX)
    async with await peer.stream("GET", f"/events?after={after}&follow=1") as response:
        async for piece in response.stream():
            events = [event for line in lines.feed(piece) if (event := _event(line))]
            if events:
                await feed.take_over(peer.name, events)


def _event(line: bytes) -> Event | None:
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        log.warning("an event of another form was left out: %.200r", line)
        return None
