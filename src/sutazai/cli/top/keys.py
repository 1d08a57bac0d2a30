"""What the keys of `sutazai top` do to what is looked at. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from sutazai.cli.top.figures import Row, Sort, arranged

HELP = """\
q        quit
1 to 6   what is looked at, as the first line names it
of agents:
s or >   sort by the next column
<        sort by the column before
/        show only units whose name has these letters: Enter keeps them, Esc shows all
of everything:
↑ ↓      one line up or down
PgUp PgDn Home End   a screen up or down, the first, the last
p        pause, and go on
?        this help, and back
"""


class View(StrEnum):
    """What can be looked at, in the order of its keys."""

    OVERVIEW = "overview"
    AGENTS = "agents"
    GATEWAY = "gateway"
    TASKS = "tasks"
    ROLLOUTS = "rollouts"
    ALERTS = "alerts"


VIEWS = {str(number): view for number, view in enumerate(View, 1)}
"""Views by their keys."""

_SEQUENCES = {
    "\x1b[A": "up", "\x1bOA": "up",
    "\x1b[B": "down", "\x1bOB": "down",
    "\x1b[5~": "page-up", "\x1b[6~": "page-down",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home",
    "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end",
    "\x1b": "escape", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace",
}  # fmt: skip
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)


def keys_of(typed: bytes) -> Iterator[str]:
    """The keys in what a terminal sent: letters as they are, others by name."""
    for found in _KEY.findall(typed.decode(errors="ignore")):
        key = _SEQUENCES.get(found, found)
        if len(key) > 1 or key.isprintable():
            yield key


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """What somebody looks at. Only agents are sorted and filtered.

    Args:
        filter: letters that a name must have, in any case.
        typing: whether keys are letters of the filter.
        first: the first row or line that is shown.
        page: how many of them the screen holds.
    """

    view: View = View.AGENTS
    sort: Sort = Sort.MEMORY
    filter: str = ""
    typing: bool = False
    first: int = 0
    page: int = 1
    paused: bool = False
    help: bool = False
    left: bool = False

    def chosen(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """The rows that may be seen, in their order."""
        wanted = self.filter.casefold()
        return arranged((row for row in rows if wanted in row.name.casefold()), self.sort)

    def fitted(self, *, rows: int, page: int) -> Viewing:
        """The same on a screen of ``page`` rows, no further down than there are rows."""
        return replace(self, page=page, first=max(0, min(self.first, rows - page)))

    def pressed(self, key: str) -> Viewing:
        """After one more key; one that means nothing changes nothing."""
        if self.typing:
            return self._typed(key)
        if self.help:
            return replace(self, help=False, left=key == "q")
        if key in _SCROLLS:
            return replace(self, first=max(0, self.first + round(_SCROLLS[key] * self._step(key))))
        if key in VIEWS:
            return replace(self, view=VIEWS[key], first=0)
        of_agents = self._of_agents() if self.view is View.AGENTS else {}
        changes = {
            "q": {"left": True},
            "p": {"paused": not self.paused},
            "?": {"help": True},
            **of_agents,
        }
        return replace(self, **changes.get(key, {}))  # type: ignore[arg-type]

    def _of_agents(self) -> dict[str, dict[str, object]]:
        """What keys change where agents are looked at."""
        return {
            "/": {"typing": True, "first": 0},
            "escape": {"filter": "", "first": 0},
            "s": {"sort": self._beside(1)},
            ">": {"sort": self._beside(1)},
            "<": {"sort": self._beside(-1)},
        }

    def _typed(self, key: str) -> Viewing:
        if key == "enter":
            return replace(self, typing=False)
        if key == "escape":
            return replace(self, typing=False, filter="")
        if key == "backspace":
            return replace(self, filter=self.filter[:-1])
        return replace(self, filter=self.filter + key) if len(key) == 1 else self

    def _step(self, key: str) -> int:
        return self.page if key.startswith("page") else 1

    def _beside(self, places: int) -> Sort:
        columns = list(Sort)
        return columns[(columns.index(self.sort) + places) % len(columns)]


_SCROLLS = {
    "up": -1, "down": 1, "page-up": -1, "page-down": 1, "home": -1_000_000, "end": 1_000_000,
}  # fmt: skip
