"""One engine for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sutazai.host.instances.ports import free_port as find_free_port
from tests.host.containers.podman import Podman, podman_or_skip


@pytest.fixture(scope="package")
def engine() -> Iterator[Podman]:
    """Podman, where this machine can run it."""
    with podman_or_skip() as running:
        yield running


@pytest.fixture
def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    return find_free_port()
