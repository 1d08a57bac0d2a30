"""What `up` shows: how far the start is, then what runs where, or what went wrong."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from sutazai.cli import fleets
from sutazai.cli.config import Config
from sutazai.cli.console import plain
from sutazai.cli.dashboard import login_link
from sutazai.cli.output import print_error
from sutazai.cli.readiness import READY_WITHIN, Progress
from sutazai.cli.status_view import agents_table, heading, llm_line, problems
from sutazai.fleet.errors import BadInput
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet
from sutazai.fleet.status import FleetStatus, UnitStatus

WORKFLOW = ("planner", "executor", "reviewer")
"""The agents of the standard workflow, which `sutazai run` needs."""

LOG_LINES = 10
TAIL_BYTES = 64 * 1024
SHOWN_UNITS = 5


class ShownProgress:
    """Two bars while the start goes on: the model, and the agents that are hot."""

    def __init__(self, screen: Console, *, hot: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bars = Bars(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._model = self._bars.add_task("model", total=1)
        self._agents = self._bars.add_task("agents", total=hot)

    def update(self, seen: Progress) -> None:
        """Show one look."""
        self._bars.update(self._model, completed=int(seen.llm))
        self._bars.update(self._agents, completed=seen.healthy)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


def print_ready(screen: Console, status: FleetStatus) -> None:
    """The agents with state and port, and the model."""
    screen.print(agents_table(status.agents, width=screen.width))
    now = time.time()
    screen.print("", heading(status, now=now), *problems(status), llm_line(status), sep="\n")


def print_places(screen: Console, config: Config, places: Places) -> None:
    """URLs and the state folder."""
    ports = config.ports
    rows = [
        ("control", f"{ports.url(ports.control)}  (its token: {places.token})"),
        ("gateway", f"{ports.url(ports.gateway)}  (speaks as OpenAI and as Ollama)"),
        ("state", str(places.state)),
    ]
    if (link := login_link(config, places)) is not None:
        rows.insert(0, ("web", f"{link}  (logs a browser in, once)"))
    for name, text in rows:
        screen.print(Text.assemble((f"{name:<8}", "bold"), text), soft_wrap=True)


def print_next(screen: Console, fleet: Fleet, places: Places) -> None:
    """What to type next."""
    option = _state_option(places)
    asked = WORKFLOW[0] if WORKFLOW[0] in fleet.agents else next(iter(fleet.agents), None)
    lines = [
        ("sutazai run", "work through a small sample backlog", fleet.agents.keys() >= {*WORKFLOW}),
        (f'sutazai ask {asked} "…"', "ask one agent", asked is not None),
        ("sutazai status --watch", "see how it does", True),
        ("sutazai down", "stop everything", True),
    ]
    screen.print("\nnext:", style="bold")
    for command, meaning, fits in lines:
        if fits:
            screen.print(Text(f"  {command + option:<30} {meaning}"), soft_wrap=True)


def print_trouble(seen: Progress, places: Places) -> None:
    """Which units are not well, why, what they said last, and where their logs are."""
    units = [*seen.failed, *seen.late]
    for unit in units[:SHOWN_UNITS]:
        _print_unit(unit, places)
    if len(units) > SHOWN_UNITS:
        print_error(f"{len(units) - SHOWN_UNITS} more are not well", "sutazai status")
    if seen.status is None and not units:
        log = places.logs / "keeper.log"
        lines = last_lines(log, LOG_LINES)
        print_error(f"control did not answer within {READY_WITHIN:.0f} s", f"its log: {log}", lines)
    elif seen.status is not None and not seen.llm:
        print_error("no model answers", "sutazai doctor says what there is and what is missing")


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a log, at most ``count``; none where there is no such file."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def _print_unit(unit: UnitStatus, places: Places) -> None:
    log = places.logs / f"{unit.name}.log"
    said = unit.last_exit.lines if unit.last_exit else ()
    lines = list(said)[-LOG_LINES:] or last_lines(log, LOG_LINES)
    reason = plain(unit.reason) or "no good health check yet"
    print_error(f"{unit.name} is {unit.state}: {reason}", f"its log: {log}", lines)


def _state_option(places: Places) -> str:
    """What the next commands need to mean this fleet; nothing where they find it themselves."""
    try:
        found = fleets.chosen(None) == places
    except BadInput:
        found = False
    return "" if found else f" --state {shlex.quote(str(places.state))}"
