"""Calls that ended are told to all who observe them: each once, in their order, soon."""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.ledger import MANY, Ledger
from tests.gateway.conftest import until
from tests.gateway.records.makers import call


class Observer:
    def __init__(self) -> None:
        self.told: list[str] = []

    def observe(self, records: Sequence[CallRecord]) -> None:
        self.told += [record.id for record in records]


def two(ledger: Ledger) -> tuple[Observer, Observer]:
    ledger.observers = one, other = Observer(), Observer()
    return one, other


async def test_all_are_told_soon() -> None:
    ledger = Ledger()
    one, other = two(ledger)
    for name in ("a", "b"):
        ledger.add(call(id=name))
    assert one.told == []
    await until(lambda: other.told)
    ledger.add(call(id="c"))
    await until(lambda: len(other.told) == 3)
    assert one.told == other.told == ["a", "b", "c"]


async def test_who_looks_is_told_at_once() -> None:
    ledger = Ledger()
    one, _ = two(ledger)
    ledger.settle()
    ledger.add(call(id="a"))
    ledger.settle()
    ledger.settle()
    assert one.told == ["a"]


async def test_many_do_not_wait() -> None:
    ledger = Ledger()
    one, _ = two(ledger)
    for number in range(MANY):
        ledger.add(call(id=str(number)))
    assert one.told == [str(number) for number in range(MANY)]
