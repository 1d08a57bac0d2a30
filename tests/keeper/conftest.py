from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keeper.machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        yield made
    finally:
        made.clear()
