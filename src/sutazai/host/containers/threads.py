"""Work that waits, in a thread that the end of this process does not wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, work: Callable[[], T]) -> T:
    """What ``work`` gives or raises. Whoever is cancelled meanwhile leaves it to its own end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(told: Callable[[asyncio.Future[T]], None]) -> None:
        if not done.cancelled():
            told(done)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (it is raised again where it is awaited)
            failure = error
            loop.call_soon_threadsafe(tell, lambda future: future.set_exception(failure))
        else:
            loop.call_soon_threadsafe(tell, lambda future: future.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
