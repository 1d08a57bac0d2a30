"""What a recorded step of a workflow gives. A change of form needs a new ``engine.VERSION``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A value, or an error in its ``as_dict`` form; ``withdrawn`` when its owner was cancelled.

    ``instance`` is who gave it, where that is known.
    """

    value: Any = None
    error: dict[str, Any] | None = None
    withdrawn: bool = False
    instance: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None and not self.withdrawn


WITHDRAWN = Outcome(withdrawn=True)
