"""The digests of agents' code as it is on disk now, computed anew only where a file changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.code import code_of, has_module, modules, package_of
from sutazai.fleet.spec import Agent, Runtime

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of the last change of each file."""


@dataclass(frozen=True)
class _Known:
    stamp: Stamp
    digest: str


class CodeOnDisk:
    """The code of a fleet's agents.

    Args:
        base: the folder that relative paths in the fleet file count from.
    """

    def __init__(self, agents: dict[str, Agent], base: Path) -> None:
        self._agents = {
            name: agent for name, agent in agents.items() if agent.runtime is Runtime.PYTHON
        }
        self._base = base
        self._known: dict[str, _Known] = {}

    def look(self) -> dict[str, str]:
        """The digest of each agent that has code or requirements, as `codes_of` gives them.

        Blocks. Raises OSError.
        """
        folders: dict[tuple[Path, str], Stamp] = {}
        found = {name: self._digest(name, agent, folders) for name, agent in self._agents.items()}
        return {name: digest for name, digest in found.items() if digest}

    def _digest(self, name: str, agent: Agent, folders: dict[tuple[Path, str], Stamp]) -> str:
        folder, entry = self._base / (agent.directory or "."), agent.class_ or ""
        requirements = self._base / agent.requirements if agent.requirements else None
        stamp = _stamp_of_code(folder, package_of(entry), folders)
        if requirements is not None:
            stamp += _stamp((requirements,))
        known = self._known.get(name)
        if known is None or known.stamp != stamp:
            known = self._known[name] = _Known(stamp, code_of(folder, entry, requirements))
        return known.digest


def _stamp_of_code(folder: Path, package: str, folders: dict[tuple[Path, str], Stamp]) -> Stamp:
    """What can be imported from there, looked at once for all agents that are single modules."""
    if not has_module(folder, package):
        return ()
    place = (folder, package if (folder / package).is_dir() else "")
    if place not in folders:
        folders[place] = _stamp(modules(folder, package))
    return folders[place]


def _stamp(files: Iterable[Path]) -> Stamp:
    return tuple(one for file in files if (one := _one(file)) is not None)


def _one(file: Path) -> tuple[str, int, int, int] | None:
    try:
        told = file.stat()
    except OSError:  # gone meanwhile
        return None
    return str(file), told.st_ino, told.st_size, told.st_mtime_ns
