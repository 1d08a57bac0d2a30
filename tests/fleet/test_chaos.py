"""Plans for chaos: read from files, drawn by lot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.chaos import (
    FIRST,
    Chaos,
    Connections,
    Cpu,
    Freeze,
    Kill,
    Memory,
    parse_chaos,
    random_chaos,
)
from sutazai.fleet.errors import BadFleet

FILE = """
for: 90s
seed: 3
tasks_per_minute: 60
actions:
  - {at: 5s, do: kill, count: 3}
  - {at: 10s, do: kill, what: gateway}
  - {at: 20s, do: freeze, what: llm, for: 2s}
  - {at: 30s, do: memory, size: 512MiB, for: 5s}
  - {at: 40s, do: cpu, cores: 4, for: 5s}
  - {at: 50s, do: connections, drop: 0.1, delay: 200ms, for: 5s}
"""


def test_a_file_says_what_is_done_when() -> None:
    chaos = parse_chaos(FILE, file="chaos.yaml")
    assert (chaos.lasts, chaos.seed, chaos.tasks_per_minute) == (90.0, 3, 60)
    assert [type(action) for action in chaos.actions] == [
        Kill, Kill, Freeze, Memory, Cpu, Connections
    ]  # fmt: skip
    assert [action.at for action in chaos.actions] == [5.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    memory = chaos.actions[3]
    assert isinstance(memory, Memory) and memory.size == 512 * 1024**2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- kill\n", "keys with values"),
        ("for: 60\n", "unit"),
        ("for: 60s\nactions:\n  - {at: 1s, do: explode}\n", "explode"),
        ("for: 60s\nactions:\n  - {at: 1s}\n", "`do` is missing"),
        ("for: 60s\nactions:\n  - {at: 1s, do: kill, who: me}\n", "who"),
        ("for: 60s\nactions:\n  - {at: 1s, do: kill, count: 0}\n", "1"),
        ("for: 60s\nactions:\n  - {at: 1s, do: connections, drop: 2}\n", "1"),
        ("for: 60s\nwhile: 3\n", "while"),
        ("for: [\n", ""),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, words: str) -> None:
    with pytest.raises(BadFleet) as caught:
        parse_chaos(text, file="chaos.yaml")
    (problem, *_) = caught.value.data["problems"]
    assert problem["file"] == "chaos.yaml" and problem["line"] >= 1
    assert words in f"{problem['message']} {problem['hint']}"


def test_what_is_drawn_is_the_same_for_the_same_seed() -> None:
    assert random_chaos(7, 60.0) == random_chaos(7, 60.0) != random_chaos(8, 60.0)


@given(seed=st.integers(), seconds=st.floats(0.1, 4000.0))
def test_all_that_is_drawn_happens_and_ends_in_its_time(seed: int, seconds: float) -> None:
    chaos = random_chaos(seed, seconds)
    times = [action.at for action in chaos.actions]
    assert times == sorted(times)
    assert all(FIRST <= at < seconds + 0.001 for at in times)
    for action in chaos.actions:
        lasts = getattr(action, "lasts", 0.0)
        assert action.at + lasts <= seconds + 0.002


def test_a_long_time_has_some_of_everything() -> None:
    kinds = {action.do for action in random_chaos(1, 3600.0).actions}
    assert kinds == {"kill", "freeze", "memory", "cpu", "connections"}


def test_what_was_drawn_can_be_kept_in_a_file() -> None:
    drawn = random_chaos(7, 60.0)
    text = drawn.model_dump_json(by_alias=True)
    assert parse_chaos(text, file="kept.yaml") == drawn == Chaos.model_validate_json(text)
