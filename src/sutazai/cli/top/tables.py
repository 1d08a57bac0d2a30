"""Tables that fit a screen of any width. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Column, Table

CELL_MIN = 8
"""Fewer characters of a longer text tell nothing."""


def fitted(parts: Iterable[RenderableType], width: int) -> Iterator[RenderableType]:
    """The same with every table narrowed."""
    return (narrowed(part, width) if isinstance(part, Table) else part for part in parts)


def narrowed(shown: Table, width: int) -> Table:
    """The same with as many columns as there is room for, from the left; the last may be cut.

    No column but the last takes more than half of the screen.
    """
    shown.padding = 0  # one space between columns, which the box brings
    left, kept = width, 0
    for column in shown.columns:
        natural = _natural(column)
        most = left if column is shown.columns[-1] else min(left, width // 2)
        if most < min(natural, CELL_MIN):
            break
        column.width = min(natural, most)
        left -= column.width + 1
        kept += 1
    del shown.columns[kept:]
    return shown


def _natural(column: Column) -> int:
    """The width of its longest cell; cells are texts."""
    return max(cell_len(str(cell)) for cell in (column.header, *column.cells))
