"""What a container has taken: the counters of its control group, where this process sees it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sutazai.host.limits import Limits
from sutazai.host.limits.v1 import GroupsV1
from sutazai.host.limits.v2 import GroupsV2
from sutazai.host.machine.cgroups import read_groups
from sutazai.host.machine.reading import ROOT


def group_of(container: str, pid: int, *, root: Path = ROOT) -> tuple[Limits, str] | None:
    """What counts for a container, and by which name; None where its process is not to be seen.

    A process of that number counts as the container's only where its group has the container's id
    in its name: an engine may live in a space of numbers of its own.
    """
    groups = read_groups(root, str(pid))
    found = {
        controller: folder
        for group in groups.separate
        for folder in (_named(container, group.line),)
        for controller in group.controllers
        if folder is not None
    }
    if "memory" in found:
        parents = {controller: folder.parent for controller, folder in found.items()}
        return GroupsV1(parents), found["memory"].name
    folder = _named(container, groups.unified.line) if groups.unified else None
    return None if folder is None else (GroupsV2(folder.parent), folder.name)


def _named(container: str, line: Iterable[Path]) -> Path | None:
    return next((folder for folder in line if container in folder.name), None)
