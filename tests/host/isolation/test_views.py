"""What instances see of the file system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from sutazai.agent.confinement import Walls
from sutazai.fleet.errors import Unavailable
from sutazai.host.isolation.paths import both, closed_above, environment
from sutazai.host.isolation.view import View, make_view

LOOK = """
import json, os, sys
from sutazai.agent.confinement import Walls, confine
walls = json.loads(sys.argv[1])
walls.pop("fence")
confine(Walls(**walls))
found = {}
for path in sys.argv[2:]:
    try:
        found[path] = sorted(os.listdir(path))
    except OSError as error:
        found[path] = type(error).__name__
print(json.dumps(found))
"""


@contextmanager
def view_of(closed: list[str], hidden: list[str], shown: list[str]) -> Iterator[View]:
    try:
        view = make_view(closed=closed, hidden=hidden, shown=shown)
    except Unavailable as error:
        pytest.skip(error.message)
    try:
        yield view
    finally:
        view.close()


def seen(view: View, *paths: Path) -> dict[str, list[str] | str]:
    """What a process in the view finds in folders; by the folders' names."""
    walls = json.dumps(asdict(Walls(namespaces=view.entered)))
    command = [sys.executable, "-c", LOOK, walls, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {Path(path).name: found for path, found in json.loads(done.stdout).items()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``project/code`` and ``project/state`` with a home in it, and a folder of others' things."""
    for folder in ("project/code", "project/state/homes/a", "others"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    return tmp_path


def test_a_hidden_folder_is_empty_but_for_what_is_shown(tree: Path) -> None:
    state = tree / "project/state"
    (state / "token").touch()
    with view_of([], [str(state)], [str(state / "homes")]) as view:
        found = seen(view, state, state / "homes/a", tree / "project/code", tree / "others")
    assert found == {"state": ["homes"], "a": ["file"], "code": ["file"], "others": ["file"]}
    assert sorted(os.listdir(state)) == ["homes", "token"]


def test_of_a_closed_folder_only_what_is_shown_is_there(tree: Path) -> None:
    project = tree / "project"
    shown = [str(project / "code"), str(tree / "others/file")]
    with view_of([str(tree)], [], [*shown, str(tree / "missing")]) as view:
        assert seen(view, tree, project, project / "code") == {
            tree.name: ["others", "project"],
            "project": ["code"],
            "code": ["file"],
        }


def test_what_is_hidden_stays_hidden_in_what_is_shown(tree: Path) -> None:
    state = tree / "project/state"
    shown = [str(tree / "project"), str(state / "homes")]
    with view_of([str(tree)], [str(state)], shown) as view:
        assert seen(view, tree / "project", state) == {
            "project": ["code", "state"],
            "state": ["homes"],
        }


def test_a_closed_folder_within_what_is_shown_is_passed_too(tree: Path) -> None:
    project = tree / "project"
    shown = [str(project), str(project / "code")]
    with view_of([str(tree), str(project)], [], shown) as view:
        assert seen(view, project, project / "code") == {"project": ["code"], "code": ["file"]}


def test_new_files_are_seen_at_once_and_on_both_sides(tree: Path) -> None:
    with view_of([str(tree)], [], [str(tree / "project")]) as view:
        (tree / "project/code/new").touch()
        assert seen(view, tree / "project/code") == {"code": ["file", "new"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="to ask another user takes root")
def test_it_is_said_what_a_user_cannot_read(tree: Path) -> None:
    mine, open_to_all = tree / "project/code/file", tree / "others/file"
    mine.chmod(0o600)
    (tree / "others").chmod(0o755)
    shown = [str(tree / "others"), str(tree / "project"), *environment()]
    closed = sorted({folder for path in shown for folder in closed_above(path)})
    probed = [str(mine), str(open_to_all)]
    view = make_view(closed=closed, hidden=[], shown=shown, uid=65534, probed=probed)
    view.close()
    assert view.unreadable == (str(mine),)


def test_paths_are_shown_where_they_are_and_where_they_lead(tree: Path) -> None:
    link = tree / "link"
    link.symlink_to(tree / "others")
    assert [*both(str(link), "relative", str(tree / "missing"))] == [
        str(link),
        str(tree / "others"),
    ]
