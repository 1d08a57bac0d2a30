"""The same pairs as they talk today: an HTTP server in the receiver, a client in the sender.

``… serve PORT`` answers each POST when its handler has returned; ``… httpx|requests URL MESSAGES
AT_ONCE`` sends, and prints the milliseconds of each call and its own CPU seconds as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from typing import Any

from benchmarks.messaging.agents import BODY

MESSAGE = {"sender": "ann", "type": "bench", "body": BODY}


def serve(port: int) -> None:
    import uvicorn
    from fastapi import FastAPI

    app, got = FastAPI(), 0

    @app.post("/messages")
    async def take(message: dict[str, Any]) -> dict[str, int]:
        nonlocal got
        assert message["body"] == BODY
        got += 1
        return {"got": got}

    @app.get("/count")
    async def count() -> dict[str, int]:
        return {"got": got}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=120)


async def with_httpx(url: str, messages: int, at_once: int) -> list[float]:
    import httpx

    took: list[float] = []
    left = messages
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=60.0) as client:

        async def send() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                began = time.perf_counter()
                (await client.post(f"{url}/messages", json=MESSAGE)).raise_for_status()
                took.append(1000 * (time.perf_counter() - began))

        await asyncio.gather(*(send() for _ in range(at_once)))
    return took


def with_requests(url: str, messages: int, at_once: int) -> list[float]:
    """One thread for each call at once, each with a session that keeps its connection."""
    import requests

    took: list[float] = []

    def send(count: int) -> None:
        with requests.Session() as session:
            for _ in range(count):
                began = time.perf_counter()
                session.post(f"{url}/messages", json=MESSAGE, timeout=60).raise_for_status()
                took.append(1000 * (time.perf_counter() - began))

    share, more = divmod(messages, at_once)
    threads = [
        threading.Thread(target=send, args=(share + (number < more),)) for number in range(at_once)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def main() -> None:
    kind, *rest = sys.argv[1:]
    if kind == "serve":
        serve(int(rest[0]))
        return
    url, messages, at_once = rest[0], int(rest[1]), int(rest[2])
    began, cpu = time.perf_counter(), time.process_time()
    if kind == "httpx":
        took = asyncio.run(with_httpx(url, messages, at_once))
    else:
        took = with_requests(url, messages, at_once)
    print(
        json.dumps(
            {
                "took": took,
                "seconds": time.perf_counter() - began,
                "cpu": time.process_time() - cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
