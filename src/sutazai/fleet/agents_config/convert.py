"""A whole `agents.config.json` turned into a fleet file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sutazai.fleet.agents_config.agents import agents_of, names_of
from sutazai.fleet.agents_config.models import models_of
from sutazai.fleet.agents_config.source import Source, read_source
from sutazai.fleet.agents_config.workflow import steps_of
from sutazai.fleet.compose.convert import Imported
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.names import fleet_name
from sutazai.fleet.compose.writing import entry_lines, remark_line, scalar_text

WORKFLOW = "main"


def convert(text: str, *, file: str, project: str) -> Imported:
    """The fleet file for the `agents.config.json` in ``text``.

    Args:
        file: what it is called in messages.
        project: the fleet's name where the file does not say one.

    Raises BadFleet where it is no such file.
    """
    source = read_source(text, file)
    names = names_of(source)
    models = models_of(source)
    agents = agents_of(source, models, names)
    there = {agent.name for agent in agents}
    steps = steps_of(source, {old: new for old, new in names.items() if new in there})
    _tell_of_monitoring(source)
    lines = [
        remark_line(f"Made from {file} by `sutazai import`; see docs/migration.md."),
        *(remark_line(f"Set before `sutazai up`: {name}") for name in sorted(models.variables)),
        *_head(source, project),
        *_section("backends", models.backends),
        *_section("tiers", models.tiers),
        *_section("agents", agents),
        *_workflow(steps),
    ]
    return Imported(
        "\n".join(lines) + "\n",
        agents=tuple(agent.name for agent in agents),
        services=(),
        backends=tuple(backend.name for backend in models.backends),
        variables=tuple(sorted(models.variables)),
        findings=source.findings.all,
    )


def _head(source: Source, project: str) -> Iterator[str]:
    metadata = source.part("metadata")
    yield f"name: {fleet_name(str(metadata.get('name') or project), otherwise='fleet')}"
    if description := metadata.get("description"):
        yield f"description: {scalar_text(' '.join(str(description).split()))}"
    concurrency = source.part("runtime").get("concurrency")
    days = source.part("monitoring").get("retentionDays")
    tasks = {
        "concurrency": concurrency if _is_count(concurrency) else None,
        "keep": f"{days}d" if _is_count(days) else None,
    }
    if any(tasks.values()):
        yield f"tasks: {json.dumps({key: value for key, value in tasks.items() if value})}"


def _section(name: str, entries: list[Entry]) -> Iterator[str]:
    if entries:
        yield ""
        yield f"{name}:"
    for entry in entries:
        yield from entry_lines(entry)


def _workflow(steps: list[dict[str, Any]]) -> Iterator[str]:
    if steps:
        yield ""
        yield "workflows:"
        yield f"  {WORKFLOW}:"
        yield "    steps:"
    for step in steps:
        yield f"      - {json.dumps(step, ensure_ascii=True)}"


def _tell_of_monitoring(source: Source) -> None:
    monitoring = source.part("monitoring")
    if "logLevel" in monitoring:
        source.findings.note(
            ("monitoring", "logLevel"),
            "`logLevel` is not carried over: everything that agents print is kept",
            "where your agents read a variable for it, set it under `environment`",
            at_key=True,
        )
    if monitoring.get("metrics") is False:
        message = "metrics are always there; nobody has to fetch them"
        source.findings.note(("monitoring", "metrics"), message, at_key=True)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
