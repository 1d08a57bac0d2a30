"""Who gets which user: the same one for ever, and on one machine nobody the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sutazai.control.uids import unit_users
from sutazai.fleet.isolation import BLOCK

RANGE = range(1_900_000_000, 1_900_000_000 + 4 * BLOCK)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users of their own take root")


def given(tmp_path: Path, fleet: str, *names: str, within: range = RANGE) -> dict[str, int]:
    state = tmp_path / fleet
    state.mkdir(exist_ok=True)
    users = unit_users(state / "uids.json", names, within, leases=tmp_path / "leases")
    assert users.why == "" or not users.uids
    return dict(users.uids)


def test_a_unit_keeps_its_user(tmp_path: Path) -> None:
    first = given(tmp_path, "one", "b")
    assert given(tmp_path, "one", "a", "b", "c")["b"] == first["b"]
    assert len(set(given(tmp_path, "one", "a", "b", "c").values())) == 3


def test_two_fleets_share_none(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(BLOCK + 5)]
    one = given(tmp_path, "one", *names)
    two = given(tmp_path, "two", *names)
    assert len(one) == len(two) == len(names)
    assert not set(one.values()) & set(two.values())
    moved = range(RANGE.start + 100, RANGE.stop + 100 + BLOCK)
    three = given(tmp_path, "three", "a", within=moved)
    assert not set(three.values()) & {*one.values(), *two.values()}


def test_a_lease_ends_with_its_fleet(tmp_path: Path) -> None:
    first = given(tmp_path, "one", "a")
    (tmp_path / "one" / "uids.json").unlink()
    (tmp_path / "one").rmdir()
    assert given(tmp_path, "two", "a") == first
    assert [lease.read_text() for lease in (tmp_path / "leases").iterdir()] == [
        str(tmp_path / "two")
    ]


def test_one_that_lost_its_lease_to_another_gets_new_users(tmp_path: Path) -> None:
    one = given(tmp_path, "one", "a")
    (tmp_path / "one").rename(tmp_path / "away")
    two = given(tmp_path, "two", "a")
    (tmp_path / "away").rename(tmp_path / "one")
    assert two == one
    assert given(tmp_path, "one", "a") != two


def test_a_name_that_is_gone_frees_its_user_once_its_home_is_gone(tmp_path: Path) -> None:
    first = given(tmp_path, "one", "a")
    home = tmp_path / "one" / "homes" / "a"
    home.mkdir(parents=True)
    assert given(tmp_path, "one", "b")["b"] != first["a"]
    home.rmdir()
    assert given(tmp_path, "one", "b", "c")["c"] == first["a"]


def test_where_all_are_taken_that_is_said(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(len(RANGE) + 1)]
    (tmp_path / "one").mkdir()
    users = unit_users(tmp_path / "one" / "uids.json", names, RANGE, leases=tmp_path / "leases")
    assert not users.uids and "all are taken" in users.why
