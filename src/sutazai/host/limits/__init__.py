"""Limits of every instance: how much memory, processor, processes and files it may take.

Belongs here: what a unit's instances may take (pure: ``policy``, ``reservation``, ``verdict``), the
ways to hold them to it (control groups of version 2 or 1, or none at all: then only /proc counts),
which of them this machine allows and where a fleet's groups are (``choice``, ``place``), and their
end (``ending``).
Does not belong here: starting processes (they enter their groups by themselves, before they run
anything of their own), and what to do when the whole machine runs short of memory.
"""

from sutazai.host.limits.choice import choose
from sutazai.host.limits.ending import clear, dissolve, sweep
from sutazai.host.limits.holding import keep_growing
from sutazai.host.limits.interface import Bounds, Limit, Limits, Usage
from sutazai.host.limits.policy import limit_of, reservation
from sutazai.host.limits.verdict import Verdict, judge

__all__ = [
    "Limits", "Limit", "Usage", "Bounds", "limit_of", "reservation", "choose", "dissolve", "sweep",
    "clear", "keep_growing", "Verdict", "judge",
]  # fmt: skip
