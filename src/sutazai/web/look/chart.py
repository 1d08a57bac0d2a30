"""A measured value over time, as a small drawing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 600, 120
"""Of the drawing, in its own units; it is as wide as its place."""
BROKEN = 2.5
"""A line has a gap where so many steps are missing."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series: ``times`` in seconds since 1970, ``step`` seconds apart where none is missing."""

    times: Sequence[float]
    values: Sequence[float]
    step: float


@dataclass(frozen=True, kw_only=True)
class Span:
    """What a drawing shows: from ``start`` to ``end`` in seconds since 1970, and 0 to ``top``."""

    start: float
    end: float
    top: float

    def point(self, at: float, value: float) -> str:
        """Where a value stands in the drawing."""
        x = WIDTH * (at - self.start) / max(1.0, self.end - self.start)
        y = HEIGHT * (1 - value / self.top)
        return f"{x:.1f},{y:.1f}"


def chart(
    title: str, lines: Sequence[Line], said: Callable[[float], str], *, start: float, end: float
) -> str:
    """``lines`` from ``start`` to ``end``; ``said`` writes a value with its unit."""
    values = [value for line in lines for value in line.values]
    if not values:
        return _figure(title, '<p class="faint">Nothing was measured yet.</p>')
    span = Span(start=start, end=end, top=max(values) or 1.0)
    drawn = "".join(f'<polyline points="{part}"/>' for line in lines for part in _parts(line, span))
    told = f"now {said(values[-1])}, at most {said(max(values))}"
    return _figure(
        f"{title}: {told}",
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(f"{title}: {told}")}">{drawn}</svg>',
    )


def _parts(line: Line, span: Span) -> list[str]:
    """The line in pieces, for what was not measured is not drawn."""
    parts: list[list[str]] = []
    before = float("-inf")
    for at, value in zip(line.times, line.values, strict=True):
        if at - before > BROKEN * line.step:
            parts.append([])
        parts[-1].append(span.point(at, value))
        before = at
    return [" ".join(points if len(points) > 1 else points * 2) for points in parts]


def _figure(title: str, body: str) -> str:
    return f'<figure class="panel"><figcaption>{escape(title)}</figcaption>{body}</figure>'
