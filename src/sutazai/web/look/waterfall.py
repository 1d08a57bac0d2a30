"""A trace by time: each span with its start and length, and a bar that shows where it lies. Pure.

The bars repeat what the figures say, so that a reader who does not see them misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import islice

from sutazai.fleet.traces import Span
from sutazai.fleet.units import format_duration
from sutazai.web.look.pieces import word

ROWS = 300
"""Most spans that are shown."""
INDENT = 14
"""Pixels by which a span stands further in than the one that it lies in."""


@dataclass(frozen=True)
class Scale:
    """What the bars are drawn on: ``length`` seconds from ``start``, seen at ``now``."""

    start: float
    length: float
    now: float

    @classmethod
    def of(cls, trace: Span, now: float) -> Scale:
        """As long as the trace; clocks of two processes may differ by a moment."""
        last = max(_end(span, now) for _, span in _walked(trace))
        return cls(trace.started, max(last - trace.started, 1e-3), now)

    def after(self, span: Span) -> float:
        """Seconds from the beginning of all to that of ``span``."""
        return max(0.0, span.started - self.start)

    def length_of(self, span: Span) -> float:
        """Seconds that it took, or has taken until now."""
        return max(0.0, _end(span, self.now) - span.started)

    def percent(self, seconds: float) -> str:
        """Seconds as a part of the whole."""
        return f"{min(100.0, 100 * seconds / self.length):.2f}%"


def waterfall(trace: Span, *, now: float) -> str:
    """A row for each span, further in where it lies in another one."""
    scale = Scale.of(trace, now)
    spans = [*islice(_walked(trace), ROWS + 1)]
    rows = "".join(_row(span, depth, scale) for depth, span in spans[:ROWS])
    head = "".join(
        f'<th scope="col"{mark}>{text}</th>'
        for text, mark in (
            ("what", ""),
            ("after", ' class="number"'),
            ("took", ' class="number"'),
            ("timeline", ""),
            ("note", ""),
        )
    )
    more = f'<p class="faint">Only the first {ROWS} are shown.</p>' if len(spans) > ROWS else ""
    return (
        f'<table class="plain waterfall"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _row(span: Span, depth: int, scale: Scale) -> str:
    so_far = " so far" if span.ended is None else ""
    after, took = scale.after(span), scale.length_of(span)
    name = escape(span.name) + (f" {word('failed', 'failed')}" if span.failed else "")
    return (
        f'<tr><th scope="row" style="padding-left:{INDENT * depth}px">{name}</th>'
        f'<td class="number">{format_duration(after)}</td>'
        f'<td class="number">{format_duration(took)}{so_far}</td>'
        f'<td><div class="span{_look(span)}" aria-hidden="true" '
        f'style="margin-left:{scale.percent(after)};width:{scale.percent(took)}"></div></td>'
        f"<td>{escape(span.note)}</td></tr>"
    )


def _look(span: Span) -> str:
    """What holds others is drawn as their frame."""
    return (" holds" if span.spans else "") + (" wrong" if span.failed else "")


def _end(span: Span, now: float) -> float:
    return now if span.ended is None else span.ended


def _walked(span: Span, depth: int = 0) -> Iterator[tuple[int, Span]]:
    yield depth, span
    for each in span.spans:
        yield from _walked(each, depth + 1)
