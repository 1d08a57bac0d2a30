"""Tasks that have ended, read on and on in the order of their ends."""

from __future__ import annotations

from sutazai.store import Database
from tests.store.queueing import Queue, done, failed

ALWAYS = 1e9


async def test_what_ended_is_read_once_and_in_order(any_database: Database) -> None:
    queue = Queue(any_database)
    for name in ("c", "a", "b", "open"):
        await queue.add(name)
    claims = {claim.id: claim for claim in (await queue.turn(now=2.0)).claims}
    await queue.turn(done(claims["c"], 5.0, "x"), now=5.0)
    await queue.turn(failed(claims["a"], 5.0), now=5.0)
    await queue.turn(done(claims["b"], 4.0, "x"), now=4.0)

    async def ended(after: tuple[float, str], until: float = ALWAYS, limit: int = 10) -> list[str]:
        return [task.id for task in await queue.tasks.ended(after, until, limit=limit)]

    assert await ended((0.0, "")) == ["b", "a", "c"]
    assert await ended((0.0, ""), limit=2) == ["b", "a"]
    assert await ended((5.0, "a")) == ["c"]
    assert await ended((5.0, "c")) == []
    assert await ended((0.0, ""), until=4.5) == ["b"]
    assert sorted(await queue.tasks.ended_ids((4.0, "b"), ALWAYS)) == ["a", "c"]
