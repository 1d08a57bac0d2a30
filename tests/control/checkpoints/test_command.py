"""Checkpoints by the API and by the command line, which needs no fleet to restore one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.fleet.places import Places


def sutazai(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sutazai.cli", "checkpoint", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=60)


async def test_the_api_makes_lists_and_verifies(api: httpx.AsyncClient) -> None:
    made = (await api.post("/api/v1/checkpoints", json={"reason": "by hand"})).json()

    (listed,) = (await api.get("/api/v1/checkpoints")).json()
    assert listed["name"] == made["name"]
    assert listed["revision"] == made["revision"] == 1
    assert made["seconds"] > 0
    found = (await api.post(f"/api/v1/checkpoints/{made['name']}/verify")).json()
    assert found["trouble"] == ""
    missing = await api.post("/api/v1/checkpoints/nothing/verify")
    assert missing.status_code == 404


async def test_the_command_line_restores_where_nothing_runs(
    desk: CheckpointDesk, places: Places, tmp_path: Path
) -> None:
    made = await desk.make("before the move")
    state, file = str(places.state), f"{places.state}/checkpoints/{made.name}.tar.gz"

    (listed,) = json.loads(sutazai("list", "--state", state, "--json").stdout)
    assert listed["name"] == made.name
    assert "before the move" in sutazai("list", "--state", state).stdout
    assert f"{made.name} is good" in sutazai("verify", file, "--state", state).stdout

    done = sutazai("restore", file, "--into", str(tmp_path / "new"), "--state", state)
    assert done.returncode == 0, done.stderr
    assert "start it: sutazai up --state" in done.stdout
    assert (tmp_path / "new" / "token").read_text() == places.token.read_text()


async def test_a_damaged_one_is_told_by_the_exit_code(desk: CheckpointDesk, places: Places) -> None:
    made = await desk.make("a test")
    file = places.state / "checkpoints" / f"{made.name}.tar.gz"
    file.write_bytes(file.read_bytes()[:500])

    bad = sutazai("verify", str(file))
    assert bad.returncode == 1
    assert f"checkpoint {made.name}" in bad.stderr
    assert sutazai("restore", str(file), "--state", str(places.state)).returncode == 1
    assert places.database.exists()


async def test_a_folder_of_other_things_is_left_alone(
    desk: CheckpointDesk, places: Places, tmp_path: Path
) -> None:
    made = await desk.make("a test")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"x")

    refused = sutazai(
        "restore", made.name, "--state", str(places.state), "--into", str(tmp_path / "photos")
    )

    assert refused.returncode == 2
    assert "holds other things" in refused.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.jpg"]
