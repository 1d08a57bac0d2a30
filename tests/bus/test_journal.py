"""The log: what was acknowledged is there after any death, and the file stays small."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.bus.bus import Bus
from sutazai.bus.frames import MAGIC, Put, frame, scan
from sutazai.bus.inboxes import TAKEN, Fate, Outcome
from sutazai.bus.letters import Filter
from sutazai.bus.message import Message, Reason
from sutazai.fleet.errors import Unavailable


def message(name: str, to: str = "bob", **more: Any) -> Message:
    now = time.time()
    values = {"body": b'"hello"', "published": now, "expires": now + 3600, **more}
    return Message(name, "ann", to, "t", **values)


@asynccontextmanager
async def opened(path: Path, **more: Any) -> AsyncIterator[Bus]:
    bus = Bus(path, ready=lambda receiver: None, **more)
    await bus.open()
    try:
        yield bus
    finally:
        await bus.close()


def waiting(bus: Bus) -> list[str]:
    return [one.id for one in bus.inboxes]


async def test_what_was_not_settled_is_there_again_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with opened(path) as bus:
        await asyncio.gather(*(bus.publish([message(str(number))]) for number in range(20)))
        taken = bus.take("bob")
        bus.settle([(one, TAKEN) for one in taken[:5]])
    async with opened(path) as bus:
        assert waiting(bus) == [str(number) for number in range(5, 20)]
        assert await bus.publish([message("3"), message("7")]) == [None, None]  # seen before
        assert len(waiting(bus)) == 15


async def test_dead_letters_are_kept_until_they_are_replayed_or_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with opened(path) as bus:
        await bus.publish([message("1"), message("2"), message("3")])
        for one in bus.take("bob"):
            bus.settle([(one, Outcome(Fate.REFUSED, f"no {one.id}"))])
    async with opened(path) as bus:
        assert [one.message.id for one in bus.letters] == ["1", "2", "3"]
        assert bus.drop(Filter(ids=["1"])) == 1
        (again,) = await bus.replay(Filter(ids=["2"]), lasts=60.0)
        assert again.id.startswith("2+")
    async with opened(path) as bus:
        assert [(one.message.id, one.error) for one in bus.letters] == [("3", "no 3")]
        assert waiting(bus) == [again.id]


async def test_the_log_can_be_cut_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "log"
    frames = [frame([Put(message(f"{number}-{each}")) for each in range(2)]) for number in range(3)]
    whole = MAGIC + b"".join(frames)
    ends = [len(MAGIC) + sum(map(len, frames[:number])) for number in range(4)]
    for cut in range(len(whole) + 1):
        found = [record for each in scan(memoryview(whole[:cut])) for record in each.records]
        assert len(found) == 2 * sum(end <= cut for end in ends[1:])
    for cut in (0, 5, len(MAGIC), ends[1] + 3, ends[2] - 1, ends[3]):
        path.write_bytes(whole[:cut])
        async with opened(path) as bus:
            before = waiting(bus)
            assert len(before) == 2 * sum(end <= cut for end in ends[1:])
            assert await bus.publish([message("new")]) == [None]
        async with opened(path) as bus:
            assert waiting(bus) == [*before, "new"]


async def test_a_byte_that_rots_is_noticed_and_the_rest_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "log"
    first, second = frame([Put(message("1"))]), frame([Put(message("2"))])
    damaged = bytearray(MAGIC + first + second)
    damaged[len(MAGIC) + len(first) + 20] ^= 1
    path.write_bytes(damaged)
    async with opened(path) as bus:
        assert waiting(bus) == ["1"]
    assert len((tmp_path / "log.damaged").read_bytes()) == len(second)


async def test_the_file_is_written_anew_when_most_of_it_is_of_no_use(tmp_path: Path) -> None:
    path = tmp_path / "log"
    body = b'"' + b"x" * 1000 + b'"'
    async with opened(path, compact_at=100_000) as bus:
        await bus.publish([message("stays", body=body)])
        (kept,) = bus.take("bob")
        for number in range(100):
            await bus.publish([message(str(number), "cid", body=body)])
            bus.settle([(each, TAKEN) for each in bus.take("cid")])
        bus.settle([(kept, Outcome(Fate.LEFT))])
    assert path.stat().st_size < 120_000
    async with opened(path) as bus:
        assert waiting(bus) == ["stays"]
        assert await bus.publish([message("99")]) == [None]
        assert waiting(bus) == ["stays"]  # 99 was seen, and that is remembered


async def test_what_cannot_be_written_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "log"
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        async with opened(path) as bus:
            assert await bus.publish([message("1")]) == [None]
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
            (refused,) = await bus.publish([message("big", body=b'"' + b"x" * 9000 + b'"')])
            assert isinstance(refused, Unavailable)
            assert "make room" in str(refused.hint)
            assert await bus.publish([message("2")]) == [None]
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert await bus.publish([message("big")]) == [None]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    async with opened(path) as bus:
        assert waiting(bus) == ["1", "2", "big"]


@pytest.mark.parametrize("lines", [3, 40, 301])
async def test_killed_it_has_lost_nothing_that_was_acknowledged(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "log"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bus.publisher", str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = [await process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    words = b"".join(line for line in said if line.endswith(b"\n")).decode().split()
    accepted = {word[1:] for word in words if word[0] == "+"}
    maybe_settled = {word[1:] for word in words if word[0] == "-"}
    async with opened(path) as bus:
        found = waiting(bus)
    assert accepted - maybe_settled <= set(found)
    assert accepted
    assert found == sorted(found, key=lambda name: [int(part) for part in name.split("-")])


async def test_what_expires_while_nobody_is_there_is_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with opened(path) as bus:
        await bus.publish([message("1", expires=time.time() + 0.05), message("2")])
    async with opened(path) as bus:
        async with asyncio.timeout(60):
            while not len(bus.letters):
                await asyncio.sleep(0.01)
        assert [(one.message.id, one.reason) for one in bus.letters] == [("1", Reason.EXPIRED)]
        assert waiting(bus) == ["2"]


async def test_an_agent_that_is_no_more_leaves_dead_letters(tmp_path: Path) -> None:
    async with opened(tmp_path / "log") as bus:
        await bus.publish([message("1")])
        await bus.serve(["cid"])
        assert [one.reason for one in bus.letters] == [Reason.UNKNOWN]
        assert waiting(bus) == []


async def test_who_publishes_and_leaves_has_still_published(tmp_path: Path) -> None:
    ready: list[str] = []
    bus = Bus(tmp_path / "log", ready=ready.append)
    await bus.open()
    publishing = asyncio.create_task(bus.publish([message("1")]))
    await asyncio.sleep(0)
    publishing.cancel()
    async with asyncio.timeout(60):
        while not ready:
            await asyncio.sleep(0.01)
    assert [one.id for one in bus.take(ready[0])] == ["1"]
    await bus.close()
