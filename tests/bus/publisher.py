"""A process that publishes and settles until it is killed: says which messages were accepted and,
before it settles them, which are."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from sutazai.bus.bus import Bus
from sutazai.bus.inboxes import TAKEN, Fate, Outcome
from sutazai.bus.message import Message

BODY = b'"' + b"x" * 300 + b'"'


async def publish(path: Path) -> None:
    bus = Bus(path, ready=lambda receiver: None, compact_at=64 * 1024)
    await bus.open()
    for number in range(1_000_000):
        now = time.time()
        batch = [
            Message(f"{number}-{each}", "ann", "bob", "t", BODY, now, now + 3600)
            for each in range(8)
        ]
        answers = await bus.publish(batch)
        accepted = [one for one, error in zip(batch, answers, strict=True) if error is None]
        print(*(f"+{one.id}" for one in accepted), flush=True)
        taken = bus.take("bob")
        print(*(f"-{one.id}" for one in taken), flush=True)
        half = (len(taken) + 1) // 2
        bus.settle([(one, TAKEN) for one in taken[:half]])
        bus.settle([(one, Outcome(Fate.LEFT)) for one in taken[half:]])


if __name__ == "__main__":
    asyncio.run(publish(Path(sys.argv[1])))
