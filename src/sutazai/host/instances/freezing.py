"""Stops all processes of an instance where they stand, and lets them go on."""

from __future__ import annotations

import contextlib
import os
import signal


def freeze(leader: int) -> None:
    """SIGSTOP to the group that ``leader`` leads; nothing where it has ended."""
    _signal(leader, signal.SIGSTOP)


def thaw(leader: int) -> None:
    """SIGCONT to the same; what runs already does not notice."""
    _signal(leader, signal.SIGCONT)


def _signal(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
