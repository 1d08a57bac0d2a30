"""What spans several parts of a schedule: who does it, and whose clock it goes by."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import available_timezones

from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem
from sutazai.fleet.scheduling import ScheduledRun, ScheduledTask
from sutazai.fleet.spec import Fleet
from sutazai.fleet.workflows import STANDARD

Found = Iterator[Problem]

STANDARD_AGENTS = ("planner", "executor", "reviewer")
"""Who a run of the standard workflow needs."""


def check_schedules(fleet: Fleet, positions: Positions) -> Found:
    """Everything that is wrong with the schedules of ``fleet``."""
    zones = available_timezones() if fleet.schedules else set()
    for name, schedule in fleet.schedules.items():
        path = ("schedules", name)
        if schedule.timezone not in zones:
            yield positions.problem(
                (*path, "timezone"),
                f"`timezone` of schedule `{name}`: there is no time zone `{schedule.timezone}`",
                hint=_near_zone(schedule.timezone, zones),
            )
        if schedule.run is not None:
            yield from _workflow(fleet, schedule.run, (*path, "run"), positions)
        if schedule.task is not None:
            yield from _doer(fleet, schedule.task, (*path, "task"), positions)


def _workflow(fleet: Fleet, run: ScheduledRun, path: Path, positions: Positions) -> Found:
    missing = [name for name in STANDARD_AGENTS if name not in fleet.agents]
    if run.workflow == STANDARD and missing:
        yield positions.problem(
            path,
            f"`run` of schedule `{path[1]}`: there is no agent `{missing[0]}`",
            hint=f"the standard workflow needs {', '.join(STANDARD_AGENTS)}: `catalogue: all`",
        )
    elif run.workflow not in {STANDARD, *fleet.workflows}:
        yield positions.problem(
            (*path, "workflow"),
            f"`workflow` of schedule `{path[1]}`: there is no workflow `{run.workflow}`",
            hint=did_you_mean(run.workflow, fleet.workflows)
            or "declare it under `workflows`, or take another",
        )


def _doer(fleet: Fleet, task: ScheduledTask, path: Path, positions: Positions) -> Found:
    agents = fleet.agents.values()
    known = {
        "agent": {*fleet.agents},
        "capability": {each for agent in agents for each in agent.capabilities},
        "group": {agent.group for agent in agents},
    }
    for kind, names in known.items():
        name = getattr(task, kind)
        if name is not None and name not in names:
            has = "there is no agent" if kind == "agent" else f"no agent has the {kind}"
            yield positions.problem(
                (*path, kind),
                f"`{kind}` of schedule `{path[1]}`: {has} `{name}`",
                hint=did_you_mean(name, names) or "declare it under `agents`, or take another",
            )


def _near_zone(name: str, zones: set[str]) -> str:
    by_lower = {zone.lower(): zone for zone in zones}
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones, reverse=True)}
    asked = name.lower().replace(" ", "_")
    exact = by_lower.get(asked) or cities.get(asked.rpartition("/")[2])
    if exact:
        return f"did you mean `{exact}`?"
    return did_you_mean(name, zones) or "write it as `Europe/Berlin`, or `UTC`"
