"""What docs/gateway.md shows works: recipes get answers, fleets pass the checks, commands exist."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.fit import Machine
from sutazai.fleet.load import parse
from sutazai.fleet.places import Places
from sutazai.fleet.problems import Severity
from sutazai.gateway.app import Listening
from sutazai.gateway.standalone import Front, Standalone
from tests.gateway.conftest import places  # noqa: F401 (a fixture)
from tests.gateway.fake_backend import FakeBackend

PAGE = (Path(__file__).parents[2] / "docs/gateway.md").read_text()
BLOCK = re.compile(
    r"^### (?P<title>[^\n]+)\n(?:(?!^#).)*?^```python\n(?P<code>.*?)^```", re.M | re.S
)
RECIPES = {match["title"]: match["code"] for match in BLOCK.finditer(PAGE)}
FLEETS = re.findall(r"^```yaml\n(name:.*?)^```", PAGE, re.M | re.S)
SHOWN_URL = "http://127.0.0.1:10104"
MACHINE = Machine(memory=64 * 1024**3, cores=16)


def imported(code: str) -> set[str]:
    """The packages that a recipe needs."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@asynccontextmanager
async def gateway_in_front_of(fake: FakeBackend, places: Places) -> AsyncIterator[str]:  # noqa: F811
    alone = Standalone(places, Listening("127.0.0.1", 0), Front((fake.url,)))
    try:
        yield (await alone.start()).url
    finally:
        await alone.close()


async def run(code: str) -> str:
    """What a program of its own prints; fails the test where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.parametrize("title", RECIPES)
async def test_a_recipe_gets_an_answer(title: str, places: Places) -> None:  # noqa: F811
    code = RECIPES[title]
    missing = [name for name in imported(code) if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    async with FakeBackend() as fake, gateway_in_front_of(fake, places) as url:
        said = await run(code.replace(SHOWN_URL, url))

    assert "Hello, wörld 🌍" in said
    assert fake.calls


def test_there_are_recipes_and_fleets() -> None:
    assert {"OpenAI's client", "Ollama's client", "LangChain", "LiteLLM", "CrewAI"} == {*RECIPES}
    assert len(FLEETS) == 5


@pytest.mark.parametrize("text", FLEETS, ids=range(len(FLEETS)))
def test_a_fleet_passes_the_checks(text: str) -> None:
    loaded = parse(text, file="example")

    problems = check_fleet(loaded.fleet, MACHINE, loaded.positions)

    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
