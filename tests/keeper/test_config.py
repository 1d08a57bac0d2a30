"""What the keeper accepts as its configuration and as listeners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sutazai.keeper.config import Config, listener_specs, load
from sutazai.keeper.errors import BadInput

GOOD: dict[str, Any] = {"runtime": "/r", "log": "/l", "host": ["true"], "mark": "STATE=/s"}


def test_a_short_configuration_gets_the_defaults() -> None:
    config = Config(GOOD)
    assert config.stop_timeout == 60.0
    assert config.listeners == ()
    assert config.environment == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"runtime": "relative"},
        {"runtime": None},
        {"log": 7},
        {"host": []},
        {"host": "true"},
        {"host": ["a\0b"]},
        {"mark": "=value"},
        {"mark": "name"},
        {"environment": {"A": 1}},
        {"environment": []},
        {"stop_timeout": 0},
        {"stop_timeout": True},
        {"stop_timeout": "1m"},
        {"end_timeout": -1},
        {"listeners": {}},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Config({**GOOD, **wrong})


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff", "[" * 100_000])
def test_a_file_that_holds_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keeper.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadInput):
        load(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(str(tmp_path / "none.json"))


def test_a_good_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "keeper.json"
    path.write_text(json.dumps({**GOOD, "stop_timeout": 5}))
    assert load(str(path)).stop_timeout == 5.0


@pytest.mark.parametrize(
    "listener",
    [
        {"name": "", "host": "127.0.0.1", "port": 1},
        {"name": "a" * 201, "host": "127.0.0.1", "port": 1},
        {"name": "a", "host": "example.com", "port": 1},
        {"name": "a", "host": "127.0.0.1\0", "port": 1},
        {"name": "a", "host": None, "port": 1},
        {"name": "a", "host": "127.0.0.1", "port": -1},
        {"name": "a", "host": "127.0.0.1", "port": 65536},
        {"name": "a", "host": "127.0.0.1", "port": True},
        {"name": "a", "host": "127.0.0.1"},
        "127.0.0.1:1",
    ],
)
def test_a_wrong_listener_is_refused(listener: object) -> None:
    with pytest.raises(BadInput):
        listener_specs([listener])


def test_the_same_name_or_address_twice_is_refused() -> None:
    one = {"name": "a", "host": "127.0.0.1", "port": 1}
    with pytest.raises(BadInput):
        listener_specs([one, {**one, "port": 2}])
    with pytest.raises(BadInput):
        listener_specs([one, {**one, "name": "b"}])


def test_chosen_ports_are_not_the_same_address() -> None:
    one = {"name": "a", "host": "localhost", "port": 0}
    first, second = listener_specs([one, {**one, "name": "b"}])
    assert first.host == second.host == "127.0.0.1"


def test_more_listeners_than_travel_in_one_message_are_refused() -> None:
    many = [{"name": f"a{n}", "host": "::1", "port": n} for n in range(1, 202)]
    assert len(listener_specs(many[:200])) == 200
    with pytest.raises(BadInput):
        listener_specs(many)
