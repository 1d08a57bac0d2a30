"""The record of calls: told, written, found again."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest

from sutazai.fleet.errors import DeadlineExceeded, Unavailable
from sutazai.fleet.places import Places
from sutazai.gateway.records.reading import Reader
from sutazai.gateway.records.search import Query
from sutazai.gateway.records.store import Store
from tests.gateway.records.conftest import running, written
from tests.gateway.records.makers import NOW, call, keeping


async def ids(store: Store, **query: object) -> list[str]:
    return [found.call.id for found in await store.search(Query(**query))]  # type: ignore[arg-type]


def test_its_place_is_in_the_state_folder(tmp_path: Path) -> None:
    assert Places.of(tmp_path).calls == tmp_path / "gateway-calls.sqlite"


async def test_a_call_is_found_as_it_was_told(store: Store) -> None:
    told = call(id="call-7", task="task-1", run="run-1", stream=True, cache="hit", first_token=0.0)

    store.observe([told])
    await written(store)

    (found,) = await store.search(Query())
    assert found.call == told
    assert found.call.stream is True and found.call.agent is True


async def test_a_search_sees_what_was_just_told(store: Store) -> None:
    for number in range(600):
        store.observe([call(id=str(number), at=NOW + number)])

        if number % 100 == 0:
            assert await ids(store, limit=1) == [str(number)]
    assert len(await ids(store, limit=1_000)) == 600


async def test_before_anything_was_written_nothing_is_found(path: Path) -> None:
    assert await Store(path, keeping()).search(Query()) == ()
    assert await Store(path, keeping()).letters.list() == ()
    assert await Store(path, keeping()).letters.count() == 0


async def test_what_waits_is_written_when_it_closes_and_is_there_the_next_time(path: Path) -> None:
    async with running(path) as first:
        for number in range(2_500):
            first.observe([call(id=f"call-{number}", at=NOW + number)])
    async with running(path) as second:
        second.observe([call(id="call-new", at=NOW + 9_999)])
        await written(second)

        assert len(await ids(second, limit=10_000)) == 2_501
        assert (await ids(second, limit=2)) == ["call-new", "call-2499"]
        assert second.dropped == 0


async def test_the_file_is_for_its_owner_only(store: Store, path: Path) -> None:
    store.observe([call()])
    await written(store)

    for part in path.parent.iterdir():
        assert stat.S_IMODE(part.stat().st_mode) == 0o600


async def test_search_by_each_thing(store: Store) -> None:
    store.observe([call(id="a", caller="reviewer", task="task-1", run="run-1")])
    store.observe([call(id="b", model="phi", tier="fast", backend="two")])
    store.observe([call(id="c", outcome="expired", error="waited_too_long", total=300.0)])
    store.observe([call(id="d", at=NOW - 100)])
    await written(store)

    assert await ids(store, agent="reviewer") == ["a"]
    assert await ids(store, task="task-1", run="run-1") == ["a"]
    assert await ids(store, task="task-1", run="run-2") == []
    assert await ids(store, model="phi") == ["b"]
    assert await ids(store, model="fast") == ["b"]
    assert await ids(store, backend="two") == ["b"]
    assert await ids(store, outcome="expired") == ["c"]
    assert await ids(store, slower_than=10.0) == ["c"]
    assert await ids(store, until=NOW) == ["d"]
    assert await ids(store, since=NOW) == ["c", "b", "a"]
    assert await ids(store, text="WAITED_too") == ["c"]
    assert await ids(store, text="waited%long") == []
    assert await ids(store, id="b") == ["b"]


async def test_pages_follow_each_other(store: Store) -> None:
    for number in range(10):
        store.observe([call(id=str(number), at=NOW + number // 4)])
    await written(store)

    pages, before = [], None
    while page := await store.search(Query(limit=4, before=before)):
        pages.append([found.call.id for found in page])
        before = page[-1].number

    assert pages == [["9", "8", "7", "6"], ["5", "4", "3", "2"], ["1", "0"]]


async def test_a_call_that_took_long_has_its_place_among_those_that_were_written_earlier(
    store: Store,
) -> None:
    for batch in (("b", "d"), ("a", "e"), ("c",)):
        for name in batch:
            store.observe([call(id=name, at=NOW + ord(name))])
        await written(store)

    assert await ids(store) == ["e", "d", "c", "b", "a"]
    (third,) = [one.number for one in await store.search(Query()) if one.call.id == "c"]
    assert await ids(store, before=third) == ["b", "a"]
    assert await ids(store, before=third, limit=1) == ["b"]
    assert await ids(store, before=third + 1_000) == []


async def test_a_name_is_not_found_where_it_stands_for_something_else(store: Store) -> None:
    store.observe([call(id="one", caller="medium", priority="low")])
    store.observe([call(id="two", caller="planner", priority="medium")])
    await written(store)

    assert await ids(store, agent="medium") == ["one"]
    assert await ids(store, agent="mediu") == []


async def test_contents_are_not_kept_unless_that_is_switched_on(store: Store, path: Path) -> None:
    store.observe([call(prompt=b"a quiet word", answer="another one")])
    await written(store)

    (found,) = await store.search(Query(contents=True))
    assert (found.call.prompt, found.call.answer) == (None, None)
    assert b"quiet" not in b"".join(part.read_bytes() for part in path.parent.iterdir())


async def test_contents_are_kept_bounded_and_without_secrets(path: Path) -> None:
    async with running(path, keeping(contents=True)) as store:
        assert store.contents
        prompt = json.dumps({"content": "Grüße, password=hunter22, " + "x" * 200_000}).encode()
        store.observe([call(prompt=prompt, answer="a 100 % safe\nanswer")])
        await written(store)

        (found,) = await store.search(Query(contents=True))
        assert isinstance(found.call.prompt, str)
        assert len(found.call.prompt) <= 65_536 + 10
        assert "hunter22" not in found.call.prompt
        assert (await store.search(Query()))[0].call.prompt is None
        assert await ids(store, text="GRüßE, pass") == ["call-1"]
        assert await ids(store, text="100 % safe\n") == ["call-1"]
        assert await ids(store, text="hunter22") == []


async def test_contents_can_be_switched_while_it_runs(store: Store) -> None:
    store.apply(keeping(contents=True))
    store.observe([call(id="with", prompt="yes")])
    store.apply(keeping(contents=False))
    store.observe([call(id="without", prompt="no")])
    await written(store)

    found = {one.call.id: one.call.prompt for one in await store.search(Query(contents=True))}
    assert found["without"] is None


async def test_what_no_text_or_number_can_hold_does_not_lose_the_others(store: Store) -> None:
    store.observe([call(id="before")])
    store.observe([call(id="odd", task="\ud800", prompt_tokens=10**40)])
    store.observe([call(id="after")])
    await written(store)

    assert await ids(store) == ["after", "odd", "before"]
    assert (await store.search(Query(id="odd")))[0].call.task == "?"
    assert store.dropped == 0


async def test_more_than_can_be_written_is_dropped_and_counted(path: Path) -> None:
    store = Store(path, keeping(contents=True))  # nobody writes
    large = "x" * 100_000
    for number in range(250):
        store.observe([call(id=str(number), answer=large)])
    assert 50 < store.dropped < 150

    store.start()
    await store.close()
    found = await store.search(Query(limit=1))
    assert found[0].call.id == "249"


async def test_a_search_that_takes_too_long_is_given_up(store: Store, path: Path) -> None:
    store.observe([call()])
    await written(store)

    def endless(connection: sqlite3.Connection) -> int:
        query = (
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n"
        )
        count: int = connection.execute(query).fetchone()[0]
        return count

    with pytest.raises(DeadlineExceeded, match="longer than"):
        await Reader(path, within=0.05).read(endless, 0)


async def test_once_closed_it_changes_nothing_more(path: Path) -> None:
    async with running(path) as store:
        store.observe([call()])
    with pytest.raises(Unavailable, match="closed"):
        await store.letters.clear()
