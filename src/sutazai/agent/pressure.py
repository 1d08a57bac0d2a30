"""What the host tells an instance before it ends it for want of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.fleet.errors import BadInput

PRESSURE = "x-sutazai-pressure"
"""The header that the host's word has. The gateway lets it through from nobody."""
SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Pressure:
    """Memory is short, and this instance is about to end.

    Args:
        level: ``warning``, ``critical`` or ``emergency``.
        action: ``suspend`` (it ends idle, and is started again when it is called) or ``kill`` (work
            in hand is lost).
        seconds: until then.
    """

    level: str
    action: str
    seconds: float


def pressure_of(body: object) -> Pressure:
    """What the host said; raises BadInput."""
    if isinstance(body, Mapping):
        level, action, seconds = (body.get(name) for name in ("level", "action", "seconds"))
        if isinstance(level, str) and isinstance(action, str) and isinstance(seconds, int | float):
            return Pressure(level, action, min(max(0.0, seconds), SECONDS_MAX))
    raise BadInput("the body has `level`, `action` and `seconds`")
