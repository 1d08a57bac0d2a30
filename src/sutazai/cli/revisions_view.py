"""How revisions and what lies between them look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sutazai.cli.console import clock, console, plain, table
from sutazai.cli.output import print_json
from sutazai.fleet.revisions import Difference, Effect, FieldChange, FleetPlan, RevisionInfo
from sutazai.fleet.units import format_size

LONGEST = 60
"""Characters of a value that are shown."""
UNITS_SHOWN = 30
_MARKS = {
    Effect.ADDED: ("+", "green"),
    Effect.REMOVED: ("-", "red"),
    Effect.MOVED: ("~", "yellow"),
    Effect.ADJUSTED: ("·", "cyan"),
}


def history_table(revisions: Sequence[RevisionInfo]) -> RenderableType:
    """Revisions, newest first."""
    shown = table("revision", "accepted", "by", "why")
    for one in revisions:
        shown.add_row(str(one.number), clock(one.at), plain(one.author), plain(one.reason))
    return shown


def difference_view(difference: Difference) -> RenderableType:
    """What lies between two revisions: a line each unit, and one each value."""
    if not difference.units and not difference.settings:
        return f"revisions {difference.before} and {difference.after} declare the same"
    return Group(*_lines(difference))


def plan_view(plan: FleetPlan) -> RenderableType:
    """What accepting a fleet does, or would do."""
    difference = plan.difference
    if not difference.units and not difference.settings:
        return "nothing differs from what runs"
    return Group(*_lines(difference), "", *_told(plan))


def print_plan(plan: FleetPlan, *, as_json: bool) -> None:
    """The same on stdout."""
    if as_json:
        print_json(plan.model_dump(mode="json"))
    else:
        console().print(plan_view(plan))


def _lines(difference: Difference) -> Iterator[RenderableType]:
    for unit in difference.units[:UNITS_SHOWN]:
        mark, style = _MARKS[unit.effect]
        yield Text(f"{mark} {unit.kind} {plain(unit.name)}: {unit.effect}", style=style)
        for field in unit.fields:
            yield Text(f"    {_field(field)}")
    if len(difference.units) > UNITS_SHOWN:
        yield f"  and {len(difference.units) - UNITS_SHOWN} units more (see --json)"
    for field in difference.settings:
        yield Text(f"· {_field(field)}", style="cyan")


def _field(change: FieldChange) -> str:
    if change.path == "code":
        return "its code"
    return f"{plain(change.path)}: {_value(change.before)} → {_value(change.after)}"


def _value(value: object) -> str:
    text = plain(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _told(plan: FleetPlan) -> Iterator[str]:
    counts = Counter(unit.effect for unit in plan.difference.units)
    told = ", ".join(f"{count} {effect}" for effect, count in counts.items()) or "settings"
    yield f"revision {plan.revision} {'is accepted' if plan.accepted else 'would be'}: {told}"
    if plan.rollout is None:
        return
    yield (
        f"rollout {plan.rollout} moves {len(plan.difference.moved)} agents; new instances reserve "
        f"{format_size(plan.beside)} beside the old ones at most"
    )
    if plan.accepted:
        yield "follow it: sutazai rollout status --watch; go back: sutazai rollout abort"
