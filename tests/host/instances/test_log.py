"""The log of a unit: bounded, and in the form that the fleet file says."""

from __future__ import annotations

import json
from pathlib import Path

from sutazai.fleet.observing import LogFormat
from sutazai.host.instances.output import LOG_MAX, Log


def test_the_form_may_change_while_it_is_written(tmp_path: Path) -> None:
    form = LogFormat.CONSOLE
    log = Log(tmp_path, "planner", lambda: form)

    log.write("planner-1", ["INFO ready"])
    form = LogFormat.JSON
    log.write("planner-1", ["INFO ready", '{"time": "2026-01-02T03:04:05Z", "message": "x"}'])

    plain, made, own = log.path.read_text().splitlines()
    assert plain.endswith("Z planner-1 | INFO ready")
    made_of = json.loads(made)
    assert made_of.pop("time")
    assert made_of == {"level": "INFO", "message": "ready", "instance": "planner-1"}
    assert json.loads(own) == {
        "time": "2026-01-02T03:04:05Z",
        "message": "x",
        "instance": "planner-1",
    }


def test_one_older_piece_is_kept(tmp_path: Path) -> None:
    log = Log(tmp_path, "planner")
    half = ["x" * 1000] * (LOG_MAX // 2000)

    for letter in "abc":
        log.write("planner-1", [letter, *half])

    assert log.path.stat().st_size <= LOG_MAX
    assert log.path.with_suffix(".1.log").stat().st_size <= LOG_MAX
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["planner.1.log", "planner.log"]
    assert "planner-1 | c" in log.path.read_text()
