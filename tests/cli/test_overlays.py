"""Which overlay a command takes, and how it says so."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from sutazai.cli.overlay import overlay_of
from sutazai.fleet.errors import BadInput
from tests.cli.conftest import CommandLine


@pytest.fixture
def file() -> Path:
    file = Path("fleet.yaml")
    file.write_text("name: tea-house\nagents:\n  pot: {}\n")
    Path("overlays").mkdir()
    return file


def overlay(name: str, text: str = "agents: {cup: {}}\n") -> Path:
    path = Path("overlays") / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_machine_has_the_overlay_of_its_name(file: Path) -> None:
    assert overlay_of(file, None, "tea.example.org") is None
    short = overlay("tea")
    assert overlay_of(file, None, "tea.example.org") == short
    whole = overlay("tea.example.org")
    assert overlay_of(file, None, "tea.example.org") == whole
    assert overlay_of(file, None, "coffee") is None
    assert overlay_of(Path.cwd(), None, "tea") == Path.cwd() / short


def test_another_one_can_be_chosen_or_none(file: Path) -> None:
    overlay("tea")
    chosen = overlay("gpu")
    assert overlay_of(file, "gpu", "tea") == chosen
    assert overlay_of(file, "none", "tea") is None
    with pytest.raises(BadInput) as refused:
        overlay_of(file, "cpu", "tea")
    assert refused.value.hint == "there are gpu, tea; `none` takes none"
    with pytest.raises(BadInput):
        overlay_of(file, "../fleet", "tea")


def test_check_lays_it_over_and_says_so(
    sutazai: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = overlay(socket.gethostname())
    assert f"{file} with {mine}: OK. 2 agents" in sutazai("check").out
    assert "fleet.yaml: OK. 1 agent" in sutazai("check", "--overlay", "none").out

    other = overlay("gpu", "agents: {cup: {}, jug: {}}\n")
    assert "3 agents" in sutazai("check", "--overlay", "gpu").out
    monkeypatch.setenv("SUTAZAI_OVERLAY", "gpu")
    found = json.loads(sutazai("check", "--json").out)
    assert (found["agents"], found["overlay"]) == (3, str(other))


def test_what_is_wrong_in_it_is_told_with_its_line(sutazai: CommandLine, file: Path) -> None:
    overlay("gpu", "agents:\n  pot:\n    promt: Brew.\n")
    refused = sutazai("check", "--overlay", "gpu")
    assert refused.code == 2
    assert "overlays/gpu.yaml:3:5: unknown key `promt` in agent `pot`" in refused.err
    assert "did you mean `prompt`?" in refused.err


def test_one_that_is_not_there_is_refused(sutazai: CommandLine, file: Path) -> None:
    refused = sutazai("check", "--overlay", "gpu")
    assert refused.code == 2
    assert "there is no overlay `gpu` in overlays" in refused.err
    file.unlink()
    refused = sutazai("up", "--overlay", "gpu")
    assert refused.code == 2 and "an overlay lies over a fleet file" in refused.err


def test_the_service_keeps_the_one_that_was_chosen(sutazai: CommandLine, file: Path) -> None:
    overlay("gpu")
    unit = sutazai("install-service", "--print", "--overlay", "gpu").out
    assert f"--file {Path.cwd() / 'fleet.yaml'} --overlay gpu" in unit
    assert "--overlay" not in sutazai("install-service", "--print").out


def test_the_service_of_a_folder_of_parts_reads_the_folder(
    sutazai: CommandLine, file: Path
) -> None:
    unit = sutazai("install-service", "--print", "--file", os.fspath(Path.cwd())).out
    assert f"--file {Path.cwd()}\n" in unit
