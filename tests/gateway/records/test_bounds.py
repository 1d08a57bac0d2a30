"""The file keeps within its bounds, and gives back what it does not need."""

from __future__ import annotations

from pathlib import Path

from sutazai.gateway.records.search import Query
from sutazai.gateway.records.store import Store
from tests.gateway.records.conftest import running, written
from tests.gateway.records.makers import NOW, call, keeping, letter

MIB = 1024**2


def on_disk(path: Path) -> int:
    return sum(part.stat().st_size for part in path.parent.iterdir())


async def test_what_is_too_old_goes(store: Store) -> None:
    for age in (0, 1_000, 4_000):
        store.observe([call(id=f"call-{age}", at=NOW - age)])
        store.letters.add(letter(id=f"call-{age}", at=NOW - age))
    await written(store)

    store.apply(keeping(age=2_000.0))
    await written(store)

    assert [found.call.id for found in await store.search(Query())] == ["call-0", "call-1000"]
    assert [one.id for one in await store.letters.list()] == ["call-1000", "call-0"]


async def test_the_file_never_grows_over_its_bound(path: Path) -> None:
    async with running(path, keeping(size=16 * MIB, contents=True)) as store:
        for number in range(1_500):
            store.observe([call(id=str(number), answer=f"{number} " + "x" * 20_000)])
            if number % 100 == 99:
                await written(store)
                assert on_disk(path) < 16 * MIB
        found = await store.search(Query(limit=10_000))
        assert 450 < len(found) < 650
        newest = range(1_499, 1_499 - len(found), -1)
        assert [one.call.id for one in found] == [str(number) for number in newest]


async def test_the_file_shrinks_where_less_is_to_be_kept(path: Path) -> None:
    async with running(path, keeping(contents=True)) as store:
        for number in range(1_000):
            store.observe([call(id=str(number), answer="x" * 10_000)])
    assert on_disk(path) > 9 * MIB

    async with running(path, keeping(size=MIB)) as store:
        store.apply(keeping(size=MIB))
        await written(store)
        assert len(await store.search(Query(limit=10_000))) > 20
    assert on_disk(path) <= MIB


async def test_nothing_is_kept_where_nothing_is_to_be(path: Path) -> None:
    async with running(path, keeping(size=0)) as store:
        store.observe([call()])
        store.letters.add(letter())
    assert not path.exists()

    async with running(path) as store:
        store.observe([call()])
        store.letters.add(letter())
        await written(store)
        store.apply(keeping(age=0.0))
        store.observe([call()])
        await written(store)
        assert await store.search(Query()) == ()
        assert await store.letters.list() == ()


async def test_dead_letters_are_bounded_by_number(store: Store) -> None:
    for number in range(1_200):
        store.letters.add(letter(id=str(number)))
        if number % 100 == 0:
            await written(store)
    await written(store)

    assert await store.letters.count() == 1_000
    kept = await store.letters.list(2_000)
    assert (kept[0].id, kept[-1].id) == ("1199", "200")


async def test_dead_letters_are_bounded_by_a_fourth_of_the_file(path: Path) -> None:
    async with running(path, keeping(size=4 * MIB)) as store:
        for number in range(50):
            store.letters.add(letter(id=str(number), body=b"x" * 100_000))
        await written(store)

        kept = await store.letters.list()
        assert [one.id for one in kept] == [str(number) for number in range(49, 39, -1)]
