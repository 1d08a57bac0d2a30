"""What a unit that declared paths or ports may reach beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sutazai.agent.landlock import Fence
from sutazai.fleet.desired import Isolation

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", "/sys",
    "/proc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
)  # fmt: skip
"""Programs, libraries and settings of the machine; /proc of other processes stays closed."""

DEVICES = (
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
)  # fmt: skip


def fence_of(wanted: Isolation, home: str, needed: Iterable[str], *, ports: bool) -> Fence:
    """The fence of one unit.

    Args:
        needed: the folders of its Python and its code.
        ports: whether ports can be held here.
    """
    egress = wanted.egress if ports else None
    if wanted.reads is None and wanted.writes is None:
        return Fence(ports=egress)
    return Fence(
        reads=(*SYSTEM, *sorted(needed), *(wanted.reads or ())),
        writes=("/proc/self", *DEVICES, home, *(wanted.writes or ())),
        ports=egress,
    )
