"""The log: how large it may grow, while others write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.keeper.log import CHECK_EVERY, LIMIT, Bound
from tests.keeper.machine import Machine, until

NOW = 1000.0


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[int]:
    """A descriptor of the log, as the keeper and its host hold it."""
    opened = os.open(tmp_path / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    yield opened
    os.close(opened)


def test_it_is_cut_when_it_is_too_long_and_the_end_of_it_kept(tmp_path: Path, writer: int) -> None:
    bound = Bound(str(tmp_path / "log"), NOW, descriptor=writer)
    os.write(writer, b"early" + b"x" * LIMIT + b"late")
    bound.keep(NOW + CHECK_EVERY)
    os.write(writer, b"after")
    assert (tmp_path / "log").read_bytes() == b"after"
    old = (tmp_path / "log.1").read_bytes()
    assert len(old) == LIMIT and old.endswith(b"xlate")


def test_it_is_left_alone_until_it_is_due(tmp_path: Path, writer: int) -> None:
    bound = Bound(str(tmp_path / "log"), NOW, descriptor=writer)
    os.write(writer, b"x" * (LIMIT + 1))
    bound.keep(NOW + CHECK_EVERY - 0.1)
    assert (tmp_path / "log").stat().st_size == LIMIT + 1
    assert bound.due == NOW + CHECK_EVERY


def test_a_removed_log_is_still_bounded(tmp_path: Path, writer: int) -> None:
    bound = Bound(str(tmp_path / "log"), NOW, descriptor=writer)
    os.write(writer, b"x" * (LIMIT + 1))
    (tmp_path / "log").unlink()
    bound.keep(NOW + CHECK_EVERY)
    assert os.fstat(writer).st_size == 0


def test_what_the_host_prints_goes_into_it(machine: Machine) -> None:
    machine.start("print('from the host', flush=True)\nnote('host', 1)\ntime.sleep(60)\n")
    until(lambda: "from the host" in machine.log.read_text())
    assert f"runs (pid {machine.keeper.pid})" in machine.log.read_text()
