"""What instances hold: measured every few seconds, and at once where one is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sutazai.host.pressure.measuring import EVERY, Holdings

held = {"a": 10, "b": 20}
measured: list[list[str]] = []


async def measure(instances: Sequence[Any]) -> Mapping[str, int]:
    measured.append([one.name for one in instances])
    return {one.name: held[one.name] for one in instances if one.name in held}


def instances(*names: str) -> list[Any]:
    return [SimpleNamespace(name=name) for name in names]


async def test_all_are_measured_now_and_then_and_the_new_at_once() -> None:
    measured.clear()
    holdings = Holdings(measure)
    await holdings.look(100.0, instances("a"))
    await holdings.look(101.0, instances("a"))
    await holdings.look(102.0, instances("a", "b", "gone"))
    assert measured == [["a"], ["b", "gone"]]
    assert holdings.memory == held
    held["a"] = 60
    await holdings.look(100.0 + EVERY, instances("a", "b"))
    assert measured[2:] == [["a", "b"]] and holdings.memory["a"] == 60
    assert holdings.growth.of("a") == 50 / EVERY and holdings.growth.of("b") == 0.0
