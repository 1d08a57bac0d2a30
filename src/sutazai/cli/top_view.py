"""How `sutazai top` looks: a pure view of its figures that fits the screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.cli.status_view import STYLES, throttle_line
from sutazai.cli.top_figures import Figures, Row, Sort
from sutazai.cli.top_keys import HELP, Viewing
from sutazai.fleet.status import Level
from sutazai.fleet.units import format_duration, format_size

LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red", Level.EMERGENCY: "bold red"}
SAID_OF = {"host": "states and memory", "gateway": "the model's", "control": "tasks"}
TABLE_HEAD = 2
UNKNOWN = "-"

TITLES = ("unit", "state", "memory", "CPU %", "temp", "tasks", "calls", "queue", "share")
FIGURES = frozenset(TITLES) - {"unit", "state", "temp"}
NARROW, NARROW_COLUMNS = 72, 4
"""Below that width only so many of the columns are shown."""

NAME_MIN = 8


def top_document(figures: Figures) -> dict[str, Any]:
    """The same for scripts: all rows, ``cpu`` in percent, sizes in bytes, ``share`` from 0 to 1."""
    document = asdict(figures)
    if figures.llm is not None:
        for by_caller in ("calls", "tokens", "queued"):
            del document["llm"][by_caller]
    return document


def top_view(figures: Figures, *, width: int, height: int | None = None) -> RenderableType:
    """Everything, or as many rows as ``height`` lines hold, and how many do not fit.

    A narrow screen loses columns, and a name is cut before a figure is.
    """
    head = list(_head(figures))
    rows = figures.rows
    if height is not None and len(head) + TABLE_HEAD + len(rows) > height:
        rows = rows[: max(0, height - len(head) - TABLE_HEAD - 1)]
    hidden = len(figures.rows) - len(rows)
    rest = [Text(f"and {hidden} more", "dim")] if hidden else []
    return Group(*head, _table(rows, width), *rest)


def watched_view(
    figures: Figures, viewing: Viewing, *, width: int, height: int
) -> tuple[RenderableType, Viewing]:
    """The part that a person looks at, on a whole screen, and where it is now.

    The place to which somebody scrolled is moved where fewer rows are left.
    """
    if viewing.help:
        return Text(HELP, no_wrap=True, overflow="ellipsis"), viewing
    head = list(_head(figures))
    rows = viewing.chosen(figures.rows)
    page = max(1, height - len(head) - TABLE_HEAD - 1)
    viewing = viewing.fitted(rows=len(rows), page=page)
    shown = rows[viewing.first : viewing.first + page]
    foot = _foot(viewing, len(shown), len(rows), len(figures.rows))
    return Group(*head, _table(shown, width, viewing.sort), foot), viewing


def _foot(viewing: Viewing, shown: int, found: int, known: int) -> Text:
    """What is shown of how much, and how it was chosen."""
    of = f"{found} of {known} units" if viewing.filter else f"{known} units"
    parts = [f"{viewing.first + 1 if shown else 0}-{viewing.first + shown} of {of}"]
    parts.append(f"sorted by {TITLES[list(Sort).index(viewing.sort)]}")
    if viewing.filter or viewing.typing:
        parts.append(f"/{plain(viewing.filter)}{'_' if viewing.typing else ''}")
    paused = ("  paused", "bold yellow") if viewing.paused else ""
    return _one_line(Text.assemble(("  ".join((*parts, "? help")), "dim"), paused))


def _head(figures: Figures) -> Iterator[Text]:
    yield _machine(figures)
    yield _llm(figures)
    if figures.throttle is not None:
        yield _one_line(Text(throttle_line(figures.throttle), "bold red"))
    for name, last in figures.silent.items():
        since = f"; {SAID_OF[name]} figures are as of {clock(last)}" if last else ""
        yield _one_line(Text(f"! {name} does not answer, it may be restarting{since}", "bold red"))


def _machine(figures: Figures) -> Text:
    used, total = figures.memory_used, figures.memory_total
    share = f" ({100 * used / total:.0f} %)" if total else ""
    cpu = f"{figures.cpu:.0f} %" if figures.cpu is not None else UNKNOWN
    level = figures.level
    pressure = Text(level.value, LEVELS.get(level, "green")) if level else Text(UNKNOWN)
    return _one_line(
        Text.assemble(
            (f"{clock(figures.at)} ", "dim"),
            ("memory ", "bold"),
            f"{format_size(used)} of {format_size(total)}{share}, pressure ",
            pressure,
            ("  CPU ", "bold"),
            f"{cpu} of {figures.cores} cores",
        )
    )


def _llm(figures: Figures) -> Text:
    llm = figures.llm
    if llm is None:
        return Text.assemble(("LLM ", "bold"), UNKNOWN)
    waits = f"{llm.waiting} wait"
    if llm.waiting:
        waits += f", the longest for {format_duration(llm.oldest_wait)}"
    since = clock(figures.share_since) if figures.share_since else UNKNOWN
    paused = ("  paused", "bold yellow") if llm.paused else ""
    return _one_line(
        Text.assemble(
            ("LLM ", "bold"),
            f"{llm.running} of {llm.slots} slots busy, {waits}; shares since {since}",
            paused,
        )
    )


def _table(rows: tuple[Row, ...], width: int, sort: Sort | None = None) -> Table:
    """``sort`` marks the column that the rows are sorted by."""
    titles = TITLES if width >= NARROW else TITLES[:NARROW_COLUMNS]
    cells = [_cells(row)[: len(titles)] for row in rows]
    shown = table(*titles)
    shown.padding = 0  # one space between columns, which the box brings
    taken = 0
    for place, column in enumerate(shown.columns[1:], 1):
        column.width = max(len(line[place]) for line in (titles, *cells))
        column.justify = "right" if titles[place] in FIGURES else "left"
        taken += column.width + 1
    if sort is not None and (at := list(Sort).index(sort)) < len(titles):
        shown.columns[at].header_style = "bold reverse"
    longest = max(len(line[0]) for line in (titles, *cells))
    shown.columns[0].width = max(NAME_MIN, min(longest, width - taken))
    for line in cells:
        shown.add_row(*line)
    return shown


def _cells(row: Row) -> tuple[str | Text, ...]:
    """In the order of ``TITLES``."""
    return (
        plain(row.name),
        _state(row),
        _memory(row),
        UNKNOWN if row.cpu is None else f"{row.cpu:.1f}",
        row.temperature.value if row.temperature else UNKNOWN,
        _count(row.tasks),
        _count(row.calls),
        _count(row.queued),
        UNKNOWN if row.share is None else f"{100 * row.share:.0f} %",
    )


def _state(row: Row) -> Text:
    if row.state is None:
        return Text("client", "dim")
    return Text(row.state.value, STYLES.get(row.state, ""))


def _memory(row: Row) -> str:
    if row.memory is None:
        return UNKNOWN
    of = f" {100 * row.memory / row.limit:.0f}%" if row.limit else ""
    return f"{format_size(row.memory)}{of}"


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)


def _one_line(text: Text) -> Text:
    """Cut where the screen is narrow, so that the number of lines is known."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
