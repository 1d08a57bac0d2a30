"""One machine for all tests of a file; each finds it as new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.host.machine import HOST, Machine, standing, visited


@pytest.fixture(scope="module")
def program_of_host() -> str:
    """What the host is; a file may say something else."""
    return HOST


@pytest.fixture(scope="module")
def standing_machine(program_of_host: str) -> Iterator[Machine]:
    with standing(program_of_host) as machine:
        yield machine


@pytest.fixture
async def one(standing_machine: Machine) -> AsyncIterator[Machine]:
    async with visited(standing_machine) as machine:
        yield machine
