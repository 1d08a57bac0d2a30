"""How well instances could be kept from each other here. Pure."""

from __future__ import annotations

from sutazai.cli.doctor.finding import Finding, Level
from sutazai.host.isolation import Allowed


def isolation_finding(allowed: Allowed, *, refused: str) -> Finding:
    """Whose rights instances have, and what the kernel shuts for them.

    Args:
        refused: why instances get no view of the file system of their own; empty where they do.
    """
    found = ", ".join(
        (
            "a user of its own for each unit"
            if allowed.root and not refused
            else "one user for all",
            f"Landlock {allowed.landlock}" if allowed.landlock else "no Landlock",
            f"no view of their own ({refused})"
            if refused
            else "the fleet's own files out of sight",
        )
    )
    if allowed.root and not refused:
        meaning = "no agent reads another's files, memory or socket, where its code can be read"
        return Finding("isolation", Level.OK, found, meaning)
    meaning = "agents are kept from each other's mistakes, not from malice"
    return Finding("isolation", Level.NOTE, found, meaning, _fix(allowed))


def _fix(allowed: Allowed) -> str:
    if not allowed.root:
        return "start the fleet as root, or run agents that you do not trust in containers"
    return "where this is a container: start it with --cap-add SYS_ADMIN"
