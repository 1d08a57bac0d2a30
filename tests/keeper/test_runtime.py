"""The runtime folder: whose it is, who may look into it, and who holds the lock."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.keeper.errors import AlreadyRunning, BadInput, Refused
from sutazai.keeper.runtime import Runtime
from tests.keeper.machine import Machine

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
STRANGER = 54321


@pytest.fixture
def folder(machine: Machine) -> Iterator[Path]:
    before = os.umask(0o022)  # the usual one, which opens what it makes
    yield machine.runtime
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_user_only_and_so_are_its_parents(folder: Path) -> None:
    Runtime(str(folder)).release()
    assert mode(folder) == mode(folder.parent) == 0o700


def test_one_that_is_open_to_others_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    with pytest.raises(Refused, match="open to other users") as refused:
        Runtime(str(folder))
    assert refused.value.hint == f"chmod 700 {folder}"


def test_a_link_to_a_folder_is_refused(folder: Path) -> None:
    folder.parent.mkdir(mode=0o700)
    folder.symlink_to("/tmp")
    with pytest.raises(Refused):
        Runtime(str(folder))


@as_root
def test_one_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(Refused, match="belongs to another user"):
        Runtime(str(folder))


@as_root
def test_one_in_the_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder.parent, STRANGER, STRANGER)
    with pytest.raises(Refused, match="belongs to another user"):
        Runtime(str(folder))


def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="too long"):
        Runtime(str(folder / ("x" * 100)))
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_refused(folder: Path) -> None:
    folder.parent.write_text("a file")
    with pytest.raises(Refused, match="cannot be made"):
        Runtime(str(folder))


def test_the_lock_holds_one_keeper_and_names_it(folder: Path) -> None:
    first = Runtime(str(folder))
    with pytest.raises(AlreadyRunning) as refused:
        Runtime(str(folder))
    assert refused.value.data == {"pid": os.getpid()}
    first.release()
    Runtime(str(folder)).release()
