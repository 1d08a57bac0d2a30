"""The LLM gateway: what it does, its backends with slots and breakers, who waits. Pure.

Of JSON that a gateway of another version may have sent, as the views of `sutazai gateway`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from sutazai.cli.gateway_view import Entry, backends_view, queue_view, stats_view
from sutazai.cli.top.tables import fitted


def gateway_parts(
    stats: Entry, backends: Sequence[Entry], queue: Entry, width: int
) -> Iterator[RenderableType]:
    """Everything, however long it is."""
    yield from stats_view({name: told for name, told in stats.items() if name != "backends"})
    yield ""
    yield from fitted(backends_view(backends), width)
    yield ""
    yield from fitted(queue_view(queue), width)
