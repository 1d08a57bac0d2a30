"""What this machine offers: facts as the kernel and the drivers tell them, without any judgement.

Everything is read below one root folder (``/``), so that a tree of files can stand for a machine.
What cannot be read is a fact too: it is None, empty or 0, never an error.
"""

from sutazai.host.machine.disks import read_disk
from sutazai.host.machine.facts import (
    Cgroups,
    Cores,
    Disk,
    Gpu,
    Listener,
    Machine,
    Memory,
    OpenFiles,
    Pressure,
    System,
    limits_kind,
)
from sutazai.host.machine.gpus import read_gpus
from sutazai.host.machine.processes import environment_of, read_listeners
from sutazai.host.machine.reading import read_machine

__all__ = [
    "read_machine", "read_gpus", "read_disk", "read_listeners", "environment_of", "limits_kind",
    "Machine", "System", "Memory", "Cores", "Cgroups", "Pressure", "OpenFiles", "Gpu", "Disk",
    "Listener",
]  # fmt: skip
