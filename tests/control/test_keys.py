"""Keys and tokens are made once, kept, and readable by their owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.control.keys import agent_keys
from sutazai.control.settings import read_settings, token_of
from sutazai.fleet.errors import BadFleet, NotRunning
from sutazai.fleet.places import Places


def test_an_agent_keeps_its_key_for_as_long_as_it_is_declared(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = agent_keys(file, ["a", "b"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == 2
    second = agent_keys(file, ["b", "c"])
    assert second["b"] == first["b"] and set(second) == {"b", "c"}
    file.write_text("{cut")
    assert set(agent_keys(file, ["b"])) == {"b"}


def test_a_token_is_made_where_there_is_none(tmp_path: Path) -> None:
    token = token_of(tmp_path / "token")
    assert len(token) > 30 and token_of(tmp_path / "token") == token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_an_empty_token_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    assert len(token_of(tmp_path / "token")) > 30


def test_a_state_folder_that_cannot_be_used_is_refused(places: Places) -> None:
    assert read_settings(places).fleet.name == "small"
    (places.state / "fleet.json").write_text('{"name": "small", "agents": 7}')
    with pytest.raises(BadFleet, match=r"fleet\.json"):
        read_settings(places)
    places.config.unlink()
    with pytest.raises(NotRunning):
        read_settings(places)
