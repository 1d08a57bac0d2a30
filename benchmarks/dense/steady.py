"""Asks agents at their front doors at a fixed rate, and keeps what the answers took."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle

from sutazai.fleet.errors import SutazaiError
from sutazai.wire import Address, Client, Timeout

RATE = 50.0
"""Requests a second, to one agent after the other."""
PATIENCE = Timeout(connect=10.0, headers=30.0, idle=30.0)
_TEXT = "hello"


@dataclass
class Asked:
    """What became of the requests; ``seconds`` of those that were answered."""

    sent: int = 0
    unanswered: int = 0
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Asked) -> Asked:
        return Asked(
            self.sent + other.sent,
            self.unanswered + other.unanswered,
            self.seconds + other.seconds,
        )

    def milliseconds(self) -> dict[str, float]:
        cuts = statistics.quantiles(self.seconds, n=100, method="inclusive")
        return {"p50": round(1000 * cuts[49], 2), "p99": round(1000 * cuts[98], 2)}


@asynccontextmanager
async def ask_steadily(client: Client, doors: Sequence[Address], key: str) -> AsyncIterator[Asked]:
    """Asks for as long as the block lasts; all are answered or given up when it ends."""
    asked, under_way = Asked(), set[asyncio.Task[None]]()

    async def keep_asking() -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for number, door in enumerate(cycle(doors)):
            await asyncio.sleep(max(0.0, began + number / RATE - clock()))
            one = asyncio.create_task(_ask(client, door, key, asked), name=f"ask {number}")
            under_way.add(one)
            one.add_done_callback(under_way.discard)

    asking = asyncio.create_task(keep_asking(), name="ask steadily")
    try:
        yield asked
    finally:
        asking.cancel()
        await asyncio.gather(asking, *under_way, return_exceptions=True)


async def _ask(client: Client, door: Address, key: str, asked: Asked) -> None:
    clock = asyncio.get_running_loop().time
    asked.sent += 1
    body, headers = json.dumps({"input": _TEXT}).encode(), [("authorization", f"Bearer {key}")]
    began = clock()
    try:
        async with await client.request(
            "POST", door, "/invoke", headers=headers, body=body, timeout=PATIENCE
        ) as response:
            answer = await response.read()
    except SutazaiError:
        asked.unanswered += 1
        return
    if response.status == 200 and _TEXT.encode() in answer:
        asked.seconds.append(clock() - began)
    else:
        asked.unanswered += 1
