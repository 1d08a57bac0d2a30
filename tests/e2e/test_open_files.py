"""A shell that allows few open files is no bound for a fleet: it takes what it may have."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import PATIENCE, Fleet

FEW = 256
TINY = """
name: tiny
backends: {{fake: {{url: "{model}"}}}}
agents: {{one: {{temperature: hot, prompt: "Answer."}}}}
"""


class Frugal(Fleet):
    """A fleet whose commands come from a shell with a low soft limit."""

    def cli(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "sutazai.cli", *arguments, "--state", str(self.state)]
        return subprocess.run(
            ["sh", "-c", f'ulimit -Sn {FEW} && exec "$@"', "sh", *words],
            env=self.environment,
            timeout=timeout,
            text=True,
            capture_output=True,
        )


def soft_limit(pid: int) -> int:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Max open files")).split()[3])


def part_and_limit(pid: int) -> tuple[str, int] | None:
    """None of a process that ended meanwhile."""
    try:
        return module_of(pid), soft_limit(pid)
    except OSError:
        return None


def module_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return next((word for word in words if word.startswith("sutazai.")), "")


@pytest.fixture
def fleet(tmp_path: Path, steady_model: Model) -> Iterator[Fleet]:
    """One that has been declared."""
    (tmp_path / "fleet.yaml").write_text(TINY.format(model=steady_model.url))
    fleet = Frugal(tmp_path / "fleet.yaml")
    yield fleet
    fleet.stop()


def test_up_raises_the_soft_limit_to_what_is_allowed(fleet: Fleet) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard <= FEW:
        pytest.skip(f"no more than {hard} files are allowed here at all")
    done = fleet.up()
    assert done.returncode == 0, done.stdout + done.stderr

    limits = dict(filter(None, map(part_and_limit, fleet.processes())))

    for part in ("keeper", "host", "gateway", "control"):
        assert limits[f"sutazai.{part}"] >= min(hard, 65536)


def test_doctor_tells_of_what_is_allowed_rather_than_of_what_the_shell_set(fleet: Fleet) -> None:
    told = json.loads(fleet.cli("doctor", "--json", "-f", str(fleet.file)).stdout)

    finding = next(one for one in told if one["subject"] == "open files")
    assert str(FEW) not in finding["found"]
