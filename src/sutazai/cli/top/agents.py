"""Who takes the machine and the model: what `sutazai top` shows first, and prints. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import plain, table
from sutazai.cli.status_view import STYLES
from sutazai.cli.top.figures import Figures, Row, Sort
from sutazai.cli.top.head import UNKNOWN, head
from sutazai.cli.top.keys import Viewing
from sutazai.fleet.units import format_size

TABLE_HEAD = 2

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
    above = list(head(figures))
    rows = figures.rows
    if height is not None and len(above) + TABLE_HEAD + len(rows) > height:
        rows = rows[: max(0, height - len(above) - TABLE_HEAD - 1)]
    hidden = len(figures.rows) - len(rows)
    rest = [Text(f"and {hidden} more", "dim")] if hidden else []
    return Group(*above, _table(rows, width), *rest)


def agents_part(
    figures: Figures, viewing: Viewing, *, width: int, room: int
) -> tuple[RenderableType, str, Viewing]:
    """The rows that a person has scrolled to, what is shown of how much, and where that is now.

    The place to which somebody scrolled is moved where fewer rows are left.
    """
    rows = viewing.chosen(figures.rows)
    page = max(1, room - TABLE_HEAD)
    viewing = viewing.fitted(rows=len(rows), page=page)
    shown = rows[viewing.first : viewing.first + page]
    of = _of(viewing, len(shown), len(rows), len(figures.rows))
    return _table(shown, width, viewing.sort), of, viewing


def _of(viewing: Viewing, shown: int, found: int, known: int) -> str:
    """What is shown of how much, and how it was chosen."""
    of = f"{found} of {known} units" if viewing.filter else f"{known} units"
    parts = [f"{viewing.first + 1 if shown else 0}-{viewing.first + shown} of {of}"]
    parts.append(f"sorted by {TITLES[list(Sort).index(viewing.sort)]}")
    if viewing.filter or viewing.typing:
        parts.append(f"/{plain(viewing.filter)}{'_' if viewing.typing else ''}")
    return "  ".join(parts)


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
