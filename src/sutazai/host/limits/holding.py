"""What goes on for as long as limits are held: reservations grow with their instances."""

from __future__ import annotations

import asyncio

from sutazai.host.limits.interface import Limits

EVERY = 1.0
"""Seconds between two looks. An instance above its reservation is slowed down until the next."""


async def keep_growing(limits: Limits) -> None:
    """Raises reservations until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY)
        limits.grow()
