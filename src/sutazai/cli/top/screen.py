"""The whole screen of `sutazai top`: which views there are, the head, one view, the foot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.segment import Segment, Segments
from rich.text import Text

from sutazai.cli.console import clock
from sutazai.cli.top.agents import agents_part
from sutazai.cli.top.figures import Figures
from sutazai.cli.top.head import head, one_line
from sutazai.cli.top.keys import HELP, VIEWS, View, Viewing


@dataclass(frozen=True)
class Page:
    """A view other than that of agents, as it was ``at`` (seconds since 1970); ``parts`` gives
    what it consists of on a screen of so many columns."""

    at: float
    parts: Callable[[int], Iterable[RenderableType]]


def watched_view(
    figures: Figures, viewing: Viewing, page: Page | None = None, *, width: int, height: int
) -> tuple[RenderableType, Viewing]:
    """The part that a person looks at, on a whole screen, and where it is now.

    Args:
        page: what is looked at, unless that is agents; None where nobody has answered yet.
    """
    if viewing.help:
        return Text(HELP, no_wrap=True, overflow="ellipsis"), viewing
    above = [_views(viewing.view, width), *head(figures)]
    room = max(1, height - len(above) - 1)
    if viewing.view is View.AGENTS:
        body, of, viewing = agents_part(figures, viewing, width=width, room=room)
    else:
        body, of, viewing = _page_part(page, viewing, width=width, room=room)
    paused = ("  paused", "bold yellow") if viewing.paused else ""
    foot = one_line(Text.assemble((f"{of}  ? help", "dim"), paused))
    return Group(*above, body, foot), viewing


def _views(shown: View, width: int) -> Text:
    """Every view with its key, the one that is shown marked; a narrow screen names only that."""
    named = _keys(shown, names=tuple(View))
    return named if named.cell_len <= width else one_line(_keys(shown, names=(shown,)))


def _keys(shown: View, *, names: Collection[View]) -> Text:
    words = {view: f"{key} {view}" if view in names else key for key, view in VIEWS.items()}
    parts = [Text(word, "reverse" if view is shown else "dim") for view, word in words.items()]
    return Text("  ").join(parts)


def _page_part(
    page: Page | None, viewing: Viewing, *, width: int, room: int
) -> tuple[RenderableType, str, Viewing]:
    if page is None:
        return Text("nobody has answered yet", "dim"), "", viewing
    lines = _lines(page.parts(width), width)
    viewing = viewing.fitted(rows=len(lines), page=room)
    shown = lines[viewing.first : viewing.first + room]
    of = f"{viewing.first + 1}-{viewing.first + len(shown)} of {len(lines)} lines"
    drawn = Segments(segment for line in shown for segment in line)
    return drawn, f"{of}  as of {clock(page.at)}", viewing


def _lines(parts: Iterable[RenderableType], width: int) -> list[list[Segment]]:
    """Everything as lines of a screen, long ones in several, so that it can be scrolled."""
    drawing = Console(file=StringIO(), width=width, markup=False, highlight=False, emoji=False)
    return drawing.render_lines(Group(*parts), pad=False, new_lines=True)
