"""The examples in the docs are right: fleets load, code runs, commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sutazai.agent import Agent
from sutazai.cli.main import main
from sutazai.fleet.load import parse_fleet

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(language: str) -> dict[str, str]:
    """The examples in one language by page and number."""
    return {
        f"{page.name}-{number}": text
        for page in PAGES
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text()))
        if kind == language
    }


FLEETS = {place: text for place, text in blocks("yaml").items() if text.startswith("name:")}
CODE = {
    place: text
    for place, text in blocks("python").items()
    if not place.startswith("gateway.md")  # recipes of others' clients: `test_gateway_page`
}


@pytest.mark.parametrize("text", FLEETS.values(), ids=FLEETS.keys())
def test_fleets_load(text: str) -> None:
    assert parse_fleet(text, file="example").name


@pytest.mark.parametrize("text", CODE.values(), ids=CODE.keys())
def test_code_defines_agents(text: str) -> None:
    names: dict[str, object] = {}
    exec(compile(text, "example", "exec"), names)
    agents = [one for one in names.values() if isinstance(one, type) and issubclass(one, Agent)]
    assert [one for one in agents if one is not Agent]


def commands() -> list[tuple[str, ...]]:
    found = set()
    for page in PAGES:
        for kind, text in BLOCK.findall(page.read_text()):
            for line in text.splitlines() if kind == "sh" else []:
                for words in calls(line.partition(" #")[0]):
                    if words[:1] == ["sutazai"]:
                        below = words[1] in GROUPS and not words[2].startswith("-")
                        found.add(tuple(words[1:3] if below else words[1:2]))
    return sorted(found)


def calls(line: str) -> list[list[str]]:
    """The words of each program that a line starts."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in ("|", "&&"):
            found.append([])
        else:
            found[-1].append(word)
    return found


GROUPS = ("agents", "alerts", "checkpoint", "gateway", "models", "runs")


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_exist(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
