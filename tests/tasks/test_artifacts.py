"""Artifacts are whole, have a checksum, and stay in their run's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sutazai.tasks.artifacts import ArtifactFolder, slug


def test_a_file_is_written_whole_with_its_size_and_checksum(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path / "artifacts")
    artifact = folder.write("run-1", "work/01-größe.md", "größe\n")
    data = "größe\n".encode()
    assert (artifact.size, artifact.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert Path(artifact.path).read_bytes() == data
    assert folder.write("run-1", "work/01-größe.md", "größe\n") == artifact
    assert folder.read("run-1", "work/01-größe.md") == "größe\n"
    assert [path.name for path in Path(artifact.path).parent.iterdir()] == ["01-größe.md"]


def test_text_that_is_no_utf8_is_written_with_marks(tmp_path: Path) -> None:
    artifact = ArtifactFolder(tmp_path).write("run-1", "plan.md", "a\ud800b")
    assert Path(artifact.path).read_text() == "a?b"


def test_a_removed_run_leaves_nothing(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    folder.write("run-1", "plan.md", "x")
    folder.remove("run-1")
    folder.remove("run-1")
    assert folder.read("run-1", "plan.md") == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Write the Guide!", "write-the-guide"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe & Café", "groe-cafe"),
        ("日本語", "item"),
        ("x" * 90, "x" * 40),
    ],
)
def test_a_title_becomes_a_harmless_name(title: str, expected: str) -> None:
    assert slug(title) == expected
