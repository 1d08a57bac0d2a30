"""The rollout that goes on, or the last one: where it stands and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from sutazai.cli.rollout_view import rollout_parts
from sutazai.cli.top.tables import fitted
from sutazai.fleet.rollouts import RolloutView


def rollouts_parts(view: RolloutView | None, width: int) -> Iterator[RenderableType]:
    """Everything, however long it is; ``view`` is None where there was none yet."""
    if view is None:
        yield Text("There was no rollout yet: `sutazai apply` begins one.", "dim")
    else:
        yield from fitted(rollout_parts(view), width)
