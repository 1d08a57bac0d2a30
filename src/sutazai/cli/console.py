"""Rich consoles and the look of tables; markup is off, for what agents write is not ours."""

from __future__ import annotations

import sys
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 240
"""Columns where nobody looks: a file or a pipe gets whole lines."""


def console(*, stderr: bool = False) -> Console:
    """A console on stdout, or on stderr for what is not the result (progress, prompts)."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        width=None if stream.isatty() else PIPE_WIDTH,
    )


def table(*headers: str, title: str | None = None) -> Table:
    """An empty table in the house's look. Columns may be changed before rows are added."""
    made = Table(
        *headers,
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    for column in made.columns:
        column.overflow = "ellipsis"
        column.no_wrap = True
    return made


def clock(at: float) -> str:
    """Local time of day of ``at`` (seconds since 1970), with the date if that is not today."""
    moment = datetime.fromtimestamp(at).astimezone()
    today = datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")


def plain(text: str) -> str:
    """``text`` without control characters, so that no log line can drive the terminal."""
    return "".join(sign if sign.isprintable() or sign in "\t\n" else "�" for sign in text)
