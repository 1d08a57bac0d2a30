"""Control groups: which there are, which we may use, and what they withhold from us."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sutazai.host.machine.facts import Cgroups
from sutazai.host.machine.files import Mount, mounts, number, text

Writable = Callable[[Path], bool]

_UNLIMITED = 2**60  # v1 writes a number near 2**63 where there is no limit


def may_write(path: Path) -> bool:
    """Whether this process may write to ``path``, mounts that are read-only counted in."""
    return os.access(path, os.W_OK)


@dataclass(frozen=True)
class _Group:
    """Our own group in one hierarchy. ``folder`` and ``top`` are below the root."""

    controllers: tuple[str, ...]
    folder: Path
    top: Path

    @property
    def line(self) -> Iterator[Path]:
        """The group and those above it; a limit of any of them holds for us."""
        folder = self.folder
        while folder != self.top:
            yield folder
            folder = folder.parent
        yield self.top


@dataclass(frozen=True)
class Groups:
    """Our groups in all hierarchies that are mounted."""

    root: Path
    unified: _Group | None
    separate: tuple[_Group, ...]

    def facts(self, writable: Writable) -> Cgroups:
        """What there is, and what of it we may use."""
        if self.unified is not None and (self._unified_has_memory() or not self.separate):
            return self._version_2(self.unified, writable)
        return self._version_1(writable) if self.separate else Cgroups("none")

    def memory_limit(self) -> int | None:
        """The lowest memory limit that holds for us, in bytes."""
        return min((limit for _, limit in self.bounded()), default=None)

    def bounded(self) -> Iterator[tuple[Path, int]]:
        """Each group whose memory limit holds for us, with the limit in bytes."""
        files = [folder / "memory.max" for folder in self._line("")]
        files += [folder / "memory.limit_in_bytes" for folder in self._line("memory")]
        for file in files:
            if (limit := number(file)) is not None and limit < _UNLIMITED:
                yield file.parent, limit

    def cpu_quota(self) -> float | None:
        """The lowest quota of CPU time that holds for us, in cores."""
        pairs = [text(folder / "cpu.max").split() for folder in self._line("")]
        pairs += [
            [text(folder / f"cpu.cfs_{part}_us").strip() for part in ("quota", "period")]
            for folder in self._line("cpu")
        ]
        return min((quota for pair in pairs if (quota := _quota(pair))), default=None)

    def _line(self, controller: str) -> Iterator[Path]:
        """Folders of our group for ``controller`` (v1), or of the unified one (no name)."""
        if not controller:
            yield from self.unified.line if self.unified else ()
        for group in self.separate:
            if controller in group.controllers:
                yield from group.line

    def _unified_has_memory(self) -> bool:
        """A v2 tree beside a v1 that has this controller holds little of use."""
        top = self.unified.top if self.unified else self.root
        return "memory" in text(top / "cgroup.controllers").split()

    def _version_2(self, group: _Group, writable: Writable) -> Cgroups:
        controllers = tuple(text(group.folder / "cgroup.controllers").split())
        # A group is delegated by giving its folder and these two files to us.
        needed = (
            group.folder,
            *(group.folder / f"cgroup.{n}" for n in ("procs", "subtree_control")),
        )
        delegated = bool(controllers) and all(map(writable, needed))
        return Cgroups(
            version="v2",
            controllers=controllers,
            writable=controllers if delegated else (),
            folder=self._shown(group),
        )

    def _version_1(self, writable: Writable) -> Cgroups:
        ours = [group for group in self.separate if writable(group.folder)]
        memory = [group for group in self.separate if "memory" in group.controllers]
        return Cgroups(
            version="v1",
            controllers=_names(self.separate),
            writable=_names(ours),
            folder=self._shown(memory[0]) if memory else "",
        )

    def _shown(self, group: _Group) -> str:
        return f"/{group.folder.relative_to(self.root)}"


def read_groups(root: Path, process: str = "self") -> Groups:
    """The groups of a process, ours by default, from the kernel's lists."""
    own = dict(_own_paths(root, process))
    unified: _Group | None = None
    separate: list[_Group] = []
    for mount in mounts(root):
        if mount.kind == "cgroup2" and unified is None:
            unified = _group(root, mount, (), own.get("", "/"))
        elif mount.kind == "cgroup":
            names = tuple(sorted(mount.options & own.keys()))
            if names:
                separate.append(_group(root, mount, names, own[names[0]]))
    return Groups(root, unified, tuple(separate))


def _own_paths(root: Path, process: str) -> Iterator[tuple[str, str]]:
    """Each controller's name and the process's path in its hierarchy; the unified one has none."""
    for line in text(root / "proc" / process / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if path.startswith("/"):
            yield from ((name, path) for name in names.split(","))


def _group(root: Path, mount: Mount, controllers: tuple[str, ...], path: str) -> _Group:
    """Our group as it is seen in ``mount``, which may show only a part of the hierarchy.

    A path outside of that part (a container that sees only its own) is the part itself.
    """
    top = root / mount.point.relative_to("/")
    inside, own = Path(mount.inside), Path(path)
    below = own.relative_to(inside) if own.is_relative_to(inside) else Path()
    folder = top / below
    visible = ".." not in below.parts and os.path.isdir(folder)
    return _Group(controllers, folder if visible else top, top)


def _quota(pair: list[str]) -> float | None:
    """Cores, from quota and period in microseconds; None for ``max`` and ``-1``."""
    if len(pair) != 2 or not all(word.isdecimal() for word in pair) or int(pair[1]) == 0:
        return None
    return int(pair[0]) / int(pair[1]) or None


def _names(groups: tuple[_Group, ...] | list[_Group]) -> tuple[str, ...]:
    """Controllers without the named hierarchies that control nothing, as systemd's own."""
    found = {name for group in groups for name in group.controllers}
    return tuple(sorted(name for name in found if not name.startswith("name=")))
