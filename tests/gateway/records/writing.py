"""A process that tells a store of calls until it is killed: ``python -m … PATH [BYTES]``.

With BYTES no file of this process may become larger, until a line is read from stdin.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.records.search import Query
from sutazai.gateway.records.store import Store
from tests.gateway.records.makers import NOW, call, keeping, letter


async def flood(store: Store) -> None:
    for number in range(10_000_000):
        store.observe([call(id=f"call-{number}", answer="x" * 500)])
        store.letters.add(letter(id=f"call-{number}"))
        if number % 100 == 0:
            await store.letters.list(1)  # which has it all written
            print(number, flush=True)


async def fill(store: Store, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    store.observe([call(id="call-first")])
    await settle(store)
    for number in range(3_000):
        store.observe([call(id=f"call-{number}", answer="x" * 500)])
        if number % 1_000 == 999:
            await settle(store)
    print(store.dropped, flush=True)
    print(len(await store.search(Query(id="call-first"))), flush=True)
    sys.stdin.readline()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    store.observe([call(id="call-last")])
    await settle(store)
    await settle(store)
    (last,) = await store.search(Query(limit=1))
    print(last.call.id, flush=True)


async def settle(store: Store) -> None:
    try:
        await store.letters.clear()
    except SutazaiError as error:
        print(error.code, file=sys.stderr)


async def main() -> None:
    store = Store(Path(sys.argv[1]), keeping(contents=True), wall=lambda: NOW)
    store.start()
    await (fill(store, int(sys.argv[2])) if len(sys.argv) > 2 else flood(store))
    await store.close()


if __name__ == "__main__":
    import logging

    logging.basicConfig()
    asyncio.run(main())
