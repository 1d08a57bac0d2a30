"""What this machine allows of isolation, before anything was tried."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sutazai.agent import landlock


@dataclass(frozen=True)
class Allowed:
    """What there is to isolate with.

    Args:
        root: whether processes can be given users of their own.
        landlock: its ABI, 0 where this kernel has none or too old a one.
    """

    root: bool
    landlock: int

    @property
    def ports(self) -> bool:
        """Whether TCP ports can be closed to a process."""
        return self.landlock >= landlock.PORTS


def allowed() -> Allowed:
    """As it is here."""
    version = landlock.abi()
    return Allowed(os.geteuid() == 0, version if version >= landlock.LEAST else 0)
