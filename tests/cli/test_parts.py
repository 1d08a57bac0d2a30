"""Commands that are given a folder of parts in place of a fleet file."""

from __future__ import annotations

from pathlib import Path

from sutazai.cli.fleet_file import accept
from tests.cli.conftest import CommandLine


def test_a_folder_is_checked_as_one_fleet(sutazai: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("name: tea-house\nagents:\n  pot: {}\n")
    (tmp_path / "more.yaml").write_text("agents:\n  cup: {}\n")
    assert "2 agents" in sutazai("check", str(tmp_path)).out

    (tmp_path / "again.yaml").write_text("agents:\n  pot: {}\n")
    refused = sutazai("check", str(tmp_path))
    assert refused.code == 2
    assert f"{tmp_path / 'fleet.yaml'}:3:3" in refused.err.replace("\n", "")


def test_relative_paths_count_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "only.yaml").write_text("name: tea-house\nagents:\n  pot: {}\n")
    accepted = accept(tmp_path)
    assert accepted.file is not None and accepted.file.parent == tmp_path
