"""Environments of agents: an author's own, and those that the host makes of requirements."""

from __future__ import annotations

import asyncio
import os
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.status import State, UnitStatus
from sutazai.host.instances.environments import KEPT, Environments
from sutazai.wire import Address
from tests.host.machine import Machine, agent

BREWER = """
import os, sys
import teapot
from sutazai.agent import Agent

IMPORTED_IN = os.getpid()

class Brewer(Agent):
    async def run(self, task):
        return {"tea": teapot.TEA, "prefix": sys.prefix, "imported": IMPORTED_IN,
                "here": os.getpid()}
"""
PLENTY = 90.0
"""Seconds: a virtual environment is made in a few, and this machine may be busy."""


def write_wheel(folder: Path, tea: str = "assam", version: str = "1.0") -> Path:
    """A small package as it comes from an index."""
    path = folder / f"teapot-{version}-py3-none-any.whl"
    info = f"teapot-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("teapot.py", f"TEA = {tea!r}\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: teapot\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def write_requirements(folder: Path, *lines: str) -> str:
    path = folder / "requirements.txt"
    path.write_text("\n".join(("--no-index", *lines)) + "\n")
    return str(path)


def brewer(folder: Path, **changes: Any) -> DesiredUnit:
    (folder / "brewing.py").write_text(BREWER)
    return agent("brewer", "brewing:Brewer", directory=str(folder), **changes)


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


async def brewed(one: Machine) -> dict[str, Any]:
    unit = await one.until("brewer", healthy, within=PLENTY)
    address = Address.parse(str(unit.instances[0].address))
    answer = await one.client.call("POST", address, "/invoke", {"input": "brew"})
    assert isinstance(answer["output"], dict)
    return answer["output"]


async def reason(one: Machine) -> str:
    unit = await one.until("brewer", lambda unit: unit.last_exit is not None, within=PLENTY)
    assert unit.last_exit is not None
    return unit.last_exit.reason


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all: the same requirements in the same folder make one environment."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def wheel(shelf: Path) -> Path:
    return write_wheel(shelf)


@pytest.fixture
def unit(shelf: Path, wheel: Path) -> DesiredUnit:
    """The brewer whose environment is made by the first test that wants it."""
    return brewer(shelf, requirements=write_requirements(shelf, f"./{wheel.name}"))


async def test_requirements_are_installed_once_before_their_agents_start(
    one: Machine, unit: DesiredUnit, wheel: Path
) -> None:
    twin = unit.model_copy(update={"name": "twin", "options": {"agent": "twin"}})
    await one.want(unit, twin, agent("role"))
    await one.until("role", healthy, within=PLENTY)
    first = await brewed(one)
    assert first["tea"] == "assam"
    assert first["prefix"].startswith(str(one.places.environments))
    assert first["imported"] != first["here"], "its code was imported in a zygote"
    await one.until("twin", healthy, within=PLENTY)
    said = "".join(log.read_text() for log in one.places.logs.iterdir())
    assert said.count("Successfully installed teapot-1.0") == 1

    wheel.unlink()
    await one.call("POST", "/units/brewer/restart")
    await one.until(
        "brewer",
        lambda unit: healthy(unit) and unit.instances[0].pid != first["here"],
        within=PLENTY,
    )
    assert (await brewed(one))["tea"] == "assam"
    assert list(one.places.environments.iterdir()) == [Path(first["prefix"])]


async def test_what_cannot_be_installed_says_what_pip_said(one: Machine, tmp_path: Path) -> None:
    requirements = write_requirements(tmp_path, "no-such-teapot==3")
    await one.want(brewer(tmp_path, requirements=requirements), agent("role"))
    assert "No matching distribution found for no-such-teapot==3" in await reason(one)
    await one.until("role", healthy, within=PLENTY)
    assert "no-such-teapot" in (one.places.logs / "brewer.log").read_text()


async def test_a_half_made_environment_is_made_anew(one: Machine, unit: DesiredUnit) -> None:
    await one.want(unit)
    answer = await brewed(one)
    place = Path(answer["prefix"])
    (place / "sutazai-complete").unlink()
    for installed in place.glob("lib/*/site-packages/teapot.py"):
        installed.write_text("half")
    await one.call("POST", "/units/brewer/stop")
    await one.until("brewer", lambda unit: unit.state is State.STOPPED, within=PLENTY)
    await one.call("POST", "/units/brewer/start")
    again = await brewed(one)
    assert again["tea"] == "assam"
    assert again["here"] != answer["here"]


async def test_an_agent_runs_in_the_environment_of_its_author(one: Machine, tmp_path: Path) -> None:
    place = tmp_path / "own"
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/*/site-packages")
    (site / "teapot.py").write_text("TEA = 'darjeeling'\n")
    await one.want(brewer(tmp_path, python=str(place)))
    answer = await brewed(one)
    assert answer["tea"] == "darjeeling"
    assert answer["prefix"] == str(place)
    assert [each.name for each in site.iterdir() if each.name != "__pycache__"] == ["teapot.py"]


async def test_an_interpreter_may_be_named_too(one: Machine, tmp_path: Path) -> None:
    (tmp_path / "teapot.py").write_text("TEA = 'earl grey'\n")
    await one.want(brewer(tmp_path, python=sys.executable))
    assert (await brewed(one))["tea"] == "earl grey"


async def test_another_version_of_python_is_refused_with_a_way_out(
    one: Machine, tmp_path: Path
) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho cpython 2.7\n")
    old.chmod(0o755)
    await one.want(brewer(tmp_path, python=str(old)))
    assert "is cpython 2.7, and SutazAI runs in cpython 3." in await reason(one)


async def test_an_environment_that_is_not_there_is_named(one: Machine, tmp_path: Path) -> None:
    await one.want(brewer(tmp_path, python=str(tmp_path / "nowhere")))
    assert f"there is no Python at {tmp_path / 'nowhere'}" in await reason(one)


async def test_what_nobody_wants_and_nobody_used_for_a_day_is_removed(
    one: Machine, unit: DesiredUnit
) -> None:
    await one.want(unit)
    place = Path((await brewed(one))["prefix"])
    environments = Environments(one.places.environments)
    environments.tidy([])
    assert place.exists(), "an instance of an earlier version may still run in it"
    mark = place / "sutazai-complete"
    os.utime(mark, (mark.stat().st_mtime - 2 * KEPT,) * 2)
    environments.tidy([unit])
    assert place.exists(), "it is wanted"
    await asyncio.to_thread(environments.tidy, [])
    assert not place.exists()
