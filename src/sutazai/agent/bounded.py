"""A bound on the time that work takes, which costs nothing where the work does not wait."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar, cast

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives. Raises TimeoutError where it is not done in time.

    A timer costs more than most handlers of messages (5 µs), so there is one only from the first
    moment on at which the work has to wait for something.
    """
    try:
        waits = work.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    async with asyncio.timeout(seconds):
        return await _rest(work, waits)


@types.coroutine
def _rest(work: Coroutine[Any, Any, T], waits: Any) -> Generator[Any, Any, T]:
    """Goes on with work that has begun, and waits for something already."""
    try:
        while True:
            try:
                sent = yield waits
            except BaseException as error:  # noqa: BLE001 (what comes in is the work's to handle)
                waits = work.throw(error)
            else:
                waits = work.send(sent)
    except StopIteration as done:
        return cast(T, done.value)
