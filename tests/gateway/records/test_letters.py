"""Dead letters: kept without secrets, so that they can be sent again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sutazai.fleet.errors import NotFound, QueueFull
from sutazai.gateway.records.letter import BODY_MAX
from sutazai.gateway.records.redaction import REMOVED
from sutazai.gateway.records.store import Store
from tests.gateway.records.conftest import running, written
from tests.gateway.records.makers import letter


async def test_a_letter_is_kept_whole_and_listed_without_its_body(store: Store) -> None:
    error = QueueFull("the queue is full", hint="try again later", retry_after=7)
    sent = letter(id="call-5", task="task-1", reason=error.as_dict(), body=b'{"a": 1}')

    store.letters.add(sent)
    await written(store)

    kept = await store.letters.get("call-5")
    assert (kept.body, kept.altered, kept.size) == (b'{"a": 1}', False, 8)
    assert kept.reason == error.as_dict()
    assert (kept.path, kept.content_type) == ("/v1/chat/completions", "application/json")
    (listed,) = await store.letters.list()
    assert (listed.id, listed.task, listed.body, listed.size) == ("call-5", "task-1", b"", 8)


async def test_a_letter_is_seen_right_after_it_came(store: Store) -> None:
    store.letters.add(letter(id="one"))
    assert (await store.letters.get("one")).id == "one"
    store.letters.add(letter(id="two"))
    assert len(await store.letters.list()) == 2
    store.letters.add(letter(id="three"))
    assert [kept.id for kept in await store.letters.list()] == ["three", "two", "one"]


async def test_secrets_in_it_are_removed_and_that_is_said(store: Store, path: Path) -> None:
    body = json.dumps({"model": "m", "prompt": "use password=hunter22"}).encode()
    store.letters.add(letter(body=body, reason={"message": "no password=hunter22"}))
    await written(store)

    kept = await store.letters.get("call-1")

    assert kept.altered
    assert json.loads(kept.body) == {"model": "m", "prompt": f"use password={REMOVED}"}
    assert kept.reason == {"message": f"no password={REMOVED}"}
    assert b"hunter22" not in b"".join(part.read_bytes() for part in path.parent.iterdir())


async def test_a_letter_can_be_thrown_away_right_after_it_came(store: Store) -> None:
    store.letters.add(letter(id="one"))
    store.letters.add(letter(id="two"))

    await store.letters.remove("one")

    assert [kept.id for kept in await store.letters.list()] == ["two"]
    with pytest.raises(NotFound):
        await store.letters.remove("one")
    with pytest.raises(NotFound, match="one"):
        await store.letters.get("one")
    assert await store.letters.clear() == 1
    assert await store.letters.clear() == 0


async def test_in_a_flood_the_newest_are_kept_and_the_others_counted(path: Path) -> None:
    async with running(path) as store:
        for number in range(20_000):
            store.letters.add(letter(id=str(number)))
    newest = await store.letters.list(1)
    assert newest[0].id == "19999"
    assert await store.letters.count() == 1_000
    assert 0 < store.dropped <= 19_000


async def test_a_flood_keeps_nobody_waiting_who_changes_something(store: Store) -> None:
    async def flood() -> None:
        while True:
            for _ in range(100):
                store.letters.add(letter())
            await asyncio.sleep(0.001)

    flooding = asyncio.create_task(flood())
    await store.letters.clear()  # which raises DeadlineExceeded where it has to wait for long
    flooding.cancel()


async def test_a_letter_that_is_too_large_is_not_kept(store: Store) -> None:
    store.letters.add(letter(body=b"x" * (BODY_MAX + 1)))
    await written(store)

    assert await store.letters.count() == 0
    assert store.dropped == 1


async def test_the_last_letter_with_an_id_counts(store: Store) -> None:
    store.letters.add(letter(body=b"1"))
    store.letters.add(letter(body=b"2"))
    await written(store)

    assert (await store.letters.get("call-1")).body == b"2"
    assert await store.letters.count() == 1
