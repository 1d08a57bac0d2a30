"""How a fleet's status looks: a pure view of `FleetStatus`, for screens of any width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import plain, table
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import AgentStatus, FleetStatus, Level, State, UnitStatus
from sutazai.fleet.units import format_duration, format_size

STYLES = {
    State.HEALTHY: "green",
    State.EXTERNAL: "green",
    State.STARTING: "cyan",
    State.WAITING: "cyan",
    State.STOPPING: "cyan",
    State.UNHEALTHY: "yellow",
    State.BACKING_OFF: "yellow",
    State.FAILED: "bold red",
}
PRESSED = {Level.WARNING: "yellow", Level.CRITICAL: "bold red", Level.EMERGENCY: "bold red"}
WELL = frozenset({State.HEALTHY, State.EXTERNAL, State.ASLEEP, State.STOPPED})

NARROW, MEDIUM = 72, 100
"""Below these widths columns that can be done without are left out."""

PORT_DIGITS = 5


def status_document(status: FleetStatus) -> dict[str, Any]:
    """The status as JSON for scripts: each unit with ``memory``, its PSS in bytes or null."""
    document = status.model_dump(mode="json")
    for part in ("agents", "services", "planes"):
        units: tuple[UnitStatus, ...] = getattr(status, part)
        for shown, unit in zip(document[part], units, strict=True):
            shown["memory"] = unit.pss
    return document


def status_view(status: FleetStatus, *, now: float, width: int) -> RenderableType:
    """Everything, with what is wrong first and the totals last."""
    return Group(
        heading(status, now=now),
        *problems(status),
        *throttled(status),
        *pressure(status),
        "",
        agents_table(status.agents, width=width),
        *others(status),
        "",
        pools_table(status),
        "",
        llm_line(status),
        *limits(status),
        *isolation(status),
        *urls(status),
    )


def watch_view(status: FleetStatus, *, now: float, width: int) -> RenderableType:
    """The same for a screen that may be too short: the agents come last and are cut."""
    return Group(
        heading(status, now=now),
        *problems(status),
        *throttled(status),
        *pressure(status),
        llm_line(status),
        "",
        pools_table(status),
        "",
        agents_table(status.agents, width=width),
    )


def heading(status: FleetStatus, *, now: float) -> Text:
    """One line: which fleet, how long, how many agents are well."""
    hot = status.pools.get(Temperature.HOT)
    well = f", {hot.healthy} of {hot.declared} hot ones healthy" if hot else ""
    return Text.assemble(
        (status.fleet, "bold"),
        f": {len(status.agents)} agents{well}, revision {status.revision}, "
        f"up {format_duration(max(0, int(now - status.started)))}",
    )


def problems(status: FleetStatus) -> Iterator[Text]:
    """One line for each thing that is wrong, alerts first."""
    for problem in (*status.alerts, *status.problems):
        yield Text.assemble(("! ", "bold red"), plain(problem))


def throttled(status: FleetStatus) -> Iterator[Text]:
    """One line in an emergency: nothing is as fast as it should be, and that is no fault."""
    if status.throttle is not None:
        yield Text(throttle_line(status.throttle), "bold red")


def throttle_line(cores: float) -> str:
    """What is done to all agents, and how it is taken back."""
    back = "sutazai emergency cpu --release"
    return f"! EMERGENCY: all agents are held to {cores:g} cores each; take it back: {back}"


def pressure(status: FleetStatus) -> Iterator[Text]:
    """One line where memory is short: how short, and what that has cost."""
    seen = status.pressure
    if seen.level is Level.NORMAL:
        return
    stalled = f", stalled {seen.stalled:.0f} % of the time" if seen.stalled else ""
    withheld = f", {seen.withheld} instances ended until it is over" if seen.withheld else ""
    yield Text.assemble(
        ("memory ", "bold"),
        (seen.level.value, PRESSED[seen.level]),
        f": {seen.percent:.0f} % of {format_size(seen.total)} used{stalled}{withheld}",
    )


def agents_table(agents: tuple[AgentStatus, ...], *, width: int) -> Table:
    """Agents by group; on narrow screens without group, memory and temperature."""
    shown = table("agent", "state")
    wide, medium = width >= MEDIUM, width >= NARROW
    if wide:
        shown.add_column("group", overflow="ellipsis", no_wrap=True)
    if medium:
        shown.add_column("temp", no_wrap=True)
        shown.add_column("n", justify="right", no_wrap=True)
        shown.add_column("memory", justify="right", no_wrap=True)
    shown.add_column("port", justify="right", no_wrap=True, min_width=PORT_DIGITS)
    if medium:
        shown.add_column("why", overflow="fold")
    for agent in _by_group(agents):
        shown.add_row(*_agent_cells(agent, wide=wide, medium=medium))
    return shown


def pools_table(status: FleetStatus) -> Table:
    """Totals by temperature."""
    shown = table("pool", "declared", "healthy", "instances", "memory")
    for column in shown.columns[1:]:
        column.justify = "right"
    for temperature, totals in status.pools.items():
        shown.add_row(
            temperature.value,
            str(totals.declared),
            str(totals.healthy),
            str(totals.instances),
            format_size(totals.pss),
        )
    return shown


def others(status: FleetStatus) -> Iterator[RenderableType]:
    """Services and our own processes, where there are any."""
    for title, units in (("service", status.services), ("process", status.planes)):
        if units:
            yield ""
            yield _units_table(title, units)


def llm_line(status: FleetStatus) -> Text:
    """One line: which model, on what, and how busy."""
    llm = status.llm
    models = ", ".join(llm.models) or "no model"
    state = Text("healthy", "green") if llm.healthy else Text("not ready", "bold red")
    return Text.assemble(
        ("LLM ", "bold"),
        f"{plain(models)} ({llm.source}): ",
        state,
        f", {llm.running} of {llm.slots} slots busy, {llm.queued} waiting",
    )


def limits(status: FleetStatus) -> Iterator[Text]:
    """One line: how instances are held to their limits, and why no better."""
    if status.limits:
        why = f" ({plain(status.limits_why)})" if status.limits_why else ""
        yield Text.assemble(("limits ", "bold"), f"{status.limits}{why}")


def isolation(status: FleetStatus) -> Iterator[Text]:
    """How units are kept from each other, and a line for each thing that could be better."""
    seen = status.isolation
    if not seen.own and not seen.shared:
        return
    kinds = [
        f"{seen.own} units as users of their own" if seen.own else "",
        f"{seen.shared} as the host's user: against accidents only" if seen.shared else "",
        f"Landlock {seen.landlock}" if seen.landlock else "no Landlock",
    ]
    yield Text.assemble(("isolation ", "bold"), "; ".join(kind for kind in kinds if kind))
    for why in seen.why:
        yield Text.assemble("  ", plain(why))


def urls(status: FleetStatus) -> Iterator[Text]:
    """Where things listen and where the state is."""
    for name, url in status.urls.items():
        yield Text.assemble((f"{name} ", "bold"), url)
    yield Text.assemble(("state ", "bold"), status.state)


def memory_cell(unit: UnitStatus) -> str:
    """The unit's PSS, or a dash where it has none."""
    return format_size(unit.pss) if unit.pss is not None else "-"


def state_cell(unit: UnitStatus) -> Text:
    """The state in its colour."""
    return Text(unit.state.value, STYLES.get(unit.state, ""))


def reason(unit: UnitStatus) -> str:
    """Why a unit is not well; nothing for one that is."""
    return "" if unit.state in WELL else plain(unit.reason)


def _by_group(agents: tuple[AgentStatus, ...]) -> list[AgentStatus]:
    """Groups stay in the order of the fleet file."""
    groups = list(dict.fromkeys(agent.group for agent in agents))
    return sorted(agents, key=lambda agent: groups.index(agent.group))


def _agent_cells(agent: AgentStatus, *, wide: bool, medium: bool) -> list[RenderableType]:
    cells: list[RenderableType] = [agent.name, state_cell(agent)]
    if wide:
        cells.append(agent.group)
    if medium:
        cells += [agent.temperature.value, str(len(agent.instances)), memory_cell(agent)]
    cells.append(str(agent.port or "-"))
    if medium:
        cells.append(reason(agent))
    return cells


def _units_table(title: str, units: tuple[UnitStatus, ...]) -> Table:
    shown = table(title, "state", "memory", "why")
    for unit in units:
        shown.add_row(unit.name, state_cell(unit), memory_cell(unit), reason(unit))
    return shown
