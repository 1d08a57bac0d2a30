"""What is wrong first, then who is not well and what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.cli.follow import event_line
from sutazai.cli.status_view import WELL, heading, state_cell
from sutazai.cli.top.tables import narrowed
from sutazai.fleet.alert_status import Alert
from sutazai.fleet.status import Event, FleetStatus, State, UnitStatus
from sutazai.fleet.troubles import count_of, looked_after, needy, troubles_of

QUIET = WELL | {State.NOT_INSTALLED}
"""States that nobody needs to look into."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The fleet at one moment; ``alerts`` fire, the cause first, ``events`` come newest first."""

    status: FleetStatus
    alerts: Sequence[Alert]
    events: Sequence[Event]


def overview_parts(seen: Overview, width: int, *, now: float) -> Iterator[RenderableType]:
    """Everything, however long it is."""
    yield heading(seen.status, now=now)
    yield from _verdict(seen)
    yield from _not_well(seen.status, width)
    if seen.events:
        yield ""
        yield Text("what changed", "bold")
        yield from map(event_line, seen.events)


def _verdict(seen: Overview) -> Iterator[Text]:
    alerts = needy(seen.alerts)
    troubles = troubles_of(seen.status)
    if not alerts and not troubles:
        yield Text("All is well: nothing needs you.", "bold green")
        return
    yield Text(f"{count_of(len(alerts) + len(troubles))}:", "bold red")
    for alert in alerts:
        hint = (f" → {plain(alert.hint)}", "cyan") if alert.hint else ""
        yield Text.assemble(("! ", "bold red"), f"{alert.rule}: {plain(looked_after(alert))}", hint)
    for trouble in troubles:
        yield Text.assemble(("! ", "bold red"), plain(trouble))


def _not_well(status: FleetStatus, width: int) -> Iterator[RenderableType]:
    """Units that somebody may want to look into, whoever is longest so first."""
    every: tuple[UnitStatus, ...] = (*status.planes, *status.services, *status.agents)
    units = [unit for unit in every if unit.state not in QUIET]
    if not units:
        return
    shown = table("not well", "state", "since", "why")
    for unit in sorted(units, key=lambda unit: unit.since):
        shown.add_row(unit.name, state_cell(unit), clock(unit.since), plain(unit.reason))
    yield ""
    yield narrowed(shown, width)
