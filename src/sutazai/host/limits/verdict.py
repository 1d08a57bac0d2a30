"""Whether an instance ended for want of memory, and how that is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.units import format_size
from sutazai.host.instances.exits import Ending
from sutazai.host.limits.interface import Usage

KILLED = 128 + 9
"""Status of a shell, or of a container's engine, whose program died of SIGKILL."""

AT_ITS_LIMIT = 0.95
"""The part of its limit that an instance which died of it has reached at least."""


@dataclass(frozen=True)
class Verdict:
    """Why an instance ended, in words, and whether memory was what it lacked."""

    reason: str
    out_of_memory: bool = False


def judge(ending: Ending, last: Usage | None, *, survived: int = 0) -> Verdict:
    """The reason of an end, from how the process ended and what its group counted at last.

    Args:
        survived: kills for want of memory that it has survived, for they hit what it had started.
    """
    if last is None or last.oom_kills <= survived or ending.status == 0:
        return Verdict(ending.reason)
    if ending.signal == "SIGKILL" or ending.status == KILLED:
        return Verdict(f"out of memory: {_figures(last)}", out_of_memory=True)
    words = f"{ending.reason}; a process in it was killed, out of memory: {_figures(last)}"
    return Verdict(words, out_of_memory=True)


def _figures(last: Usage) -> str:
    peak = format_size(last.peak) if last.peak is not None else "unknown"
    if last.limit is None:
        return f"the machine had none left; peak {peak}"
    told = f"peak {peak} of {format_size(last.limit)}"
    below = last.peak is not None and last.peak < AT_ITS_LIMIT * last.limit
    return f"the machine had none left; {told}" if below else told
