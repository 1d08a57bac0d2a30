"""What docs/operations.md has a log shipper read is there: files, labels and fields."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

from sutazai.fleet.observing import LogFormat
from sutazai.host.instances.output import LOG_MAX, Log

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
(CONFIGURATION,) = re.findall(r"^```alloy\n(.*?)^```", PAGE, re.M | re.S)


def named(key: str) -> str:
    """The text of the one setting that is called so."""
    (text,) = re.findall(rf'^ *{key} += "(.*)"', CONFIGURATION, re.M)
    return str(text)


def keys_of(stage: str) -> set[str]:
    (block,) = re.findall(rf"stage\.{stage} {{\n +\w+ += {{(.*?)}}", CONFIGURATION)
    return set(re.findall(r'(\w+) = ""', block))


def found(folder: Path) -> set[str]:
    """The files that it reads of a state folder."""
    wanted, left_out = (
        set(folder.glob(named(key).removeprefix("STATE/")))
        for key in ("__path__", "__path_exclude__")
    )
    return {str(path) for path in wanted - left_out}


def test_files_are_read_once_and_named_after_their_units(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    planner, gateway = (Log(logs, name, lambda: LogFormat.JSON) for name in ("planner", "gateway"))
    gateway.write("gateway-1", ["INFO it listens"])
    for _ in range(LOG_MAX // 16_000 + 2):
        planner.write("planner-1", ["x" * 16_000])
    assert (logs / "planner.1.log").exists(), "the log was turned"

    unit = re.compile(named("regex").replace(r"\\", "\\"))
    units = {match[1] for path in found(tmp_path) if (match := unit.fullmatch(path))}

    assert units == {"planner", "gateway"}


def test_its_fields_are_those_of_lines(tmp_path: Path) -> None:
    log = Log(tmp_path, "planner", lambda: LogFormat.JSON)
    log.write("planner-1", [f"WARNING slow [task=task-1 run=run-1 trace={'0' * 32}]"])
    line = json.loads(log.path.read_text())

    assert keys_of("json") - {"version"} <= line.keys(), "only agents tell their version"
    assert keys_of("labels") | keys_of("structured_metadata") | {"time"} == keys_of("json")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
