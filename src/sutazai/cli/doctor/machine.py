"""What the facts of the machine mean: rights, memory, cores, limits, GPU, Python. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.cli.doctor.finding import Finding, Level
from sutazai.fleet.units import format_size
from sutazai.host.machine import (
    Cgroups,
    Cores,
    Gpu,
    Machine,
    Memory,
    OpenFiles,
    Pressure,
    System,
    limits_kind,
)

GIB = 1024**3

LITTLE_MEMORY = 2 * GIB
"""Bytes that planes, the embedded model and the hot agents of the default fleet take together."""

ENOUGH_FILES = 16_384
"""Open files of one process: the gateway's 10,000 waiting calls, and the connections behind them
that are open at once."""

SHORT = 10.0
"""Percent of the time in which something waits, from which on a machine feels it."""

_DELEGATE = "systemd-run --user --scope -p Delegate=yes sutazai up"


def machine_findings(machine: Machine) -> list[Finding]:
    """One finding for each subject."""
    return [
        system_finding(machine.system),
        memory_finding(machine.memory),
        swap_finding(machine.memory, machine.system),
        cores_finding(machine.cores),
        limits_finding(machine),
        pressure_finding(machine.pressure),
        files_finding(machine.open_files),
    ]


def system_finding(system: System) -> Finding:
    """Kernel, WSL, container and rights."""
    found = f"Linux {system.kernel or 'of an unknown release'}"
    found += f", in a {system.container} container" if system.container else ""
    found += ", as root" if system.root else ""
    if system.wsl == 1:
        return Finding(
            "system",
            Level.PROBLEM,
            f"{found}, under WSL 1",
            "WSL 1 is no Linux kernel: it lacks what holds a fleet together",
            "in PowerShell: wsl --set-version DISTRIBUTION 2",
        )
    if system.wsl == 2:
        return Finding(
            "system",
            Level.NOTE,
            f"{found}, under WSL 2",
            "Windows decides how much memory there is, and ends everything with the last window",
            "memory and processors are set in %UserProfile%\\.wslconfig, then: wsl --shutdown",
        )
    return Finding("system", Level.OK, found, "carries a fleet")


def memory_finding(memory: Memory) -> Finding:
    """How much memory there is, and how much of it is free now."""
    if not memory.total:
        return Finding("memory", Level.WARNING, "not told by the kernel", "no plan can be made")
    found = f"{format_size(memory.available)} free of {format_size(memory.total)}"
    if memory.limit is not None and memory.limit < memory.total:
        found += f", of which this group may take {format_size(memory.limit)}"
    if min(memory.available, memory.usable) < LITTLE_MEMORY:
        return Finding(
            "memory",
            Level.WARNING,
            found,
            f"the default fleet wants {format_size(LITTLE_MEMORY)}; below, the kernel kills",
            "end what takes it (ps aux --sort=-rss | head), or declare fewer hot agents",
        )
    return Finding("memory", Level.OK, found, "what the memory plan can give out")


def swap_finding(memory: Memory, system: System) -> Finding:
    """Whether a burst of memory has somewhere to go."""
    if memory.swap_total:
        used = memory.swap_total - memory.swap_free
        found = f"{format_size(memory.swap_total)}, {format_size(used)} in use"
        if used > memory.swap_total / 2 and memory.available < LITTLE_MEMORY:
            meaning = "the machine lives on its swap already; answers will be slow"
            return Finding("swap", Level.WARNING, found, meaning, "end what takes the memory")
        return Finding("swap", Level.OK, found, "a burst slows the machine before it kills")
    meaning = "a burst has nowhere to go: the kernel kills at once, and chooses whom"
    return Finding("swap", Level.NOTE, "none", meaning, _swap_fix(system))


def _swap_fix(system: System) -> str:
    if system.wsl:
        return "set swap=4GB in %UserProfile%\\.wslconfig, then: wsl --shutdown"
    if system.container:
        return "give the machine outside of the container some"
    sudo = "" if system.root else "sudo "
    steps = ("fallocate -l 4G /swapfile", "chmod 600 /swapfile", "mkswap /swapfile")
    return " && ".join(sudo + step for step in (*steps, "swapon /swapfile"))


def cores_finding(cores: Cores) -> Finding:
    """How many cores can be kept busy."""
    found = f"{cores.usable:g} of {cores.online}"
    if cores.quota is not None and cores.quota < cores.allowed:
        threads = max(1, int(cores.quota))
        return Finding(
            "cores",
            Level.WARNING,
            f"{found}, by a quota",
            "the embedded LLM starts a thread for each core that it sees, and is then held back",
            f"in the fleet file, below llm: threads: {threads}",
        )
    return Finding("cores", Level.OK, found, "shared by the embedded LLM and all agents")


def limits_finding(machine: Machine) -> Finding:
    """How instances are held to their limits here."""
    groups = machine.cgroups
    if limits_kind(machine) != "accounting":
        found = f"cgroup {groups.version}, ours to use: {', '.join(groups.writable)}"
        meaning = "the kernel holds each instance to its memory, cores and processes"
        return Finding("limits", Level.OK, found, meaning)
    meaning = "what instances take is counted, and one that takes too much is not held"
    if groups.version == "none":
        return Finding("limits", Level.NOTE, "no control groups", meaning)
    return Finding("limits", Level.NOTE, _not_ours(groups), meaning, _limits_fix(machine))


def _not_ours(groups: Cgroups) -> str:
    if "memory" not in groups.controllers:
        return f"cgroup {groups.version} without the memory controller"
    return f"cgroup {groups.version}, and {groups.folder} is not delegated to us"


def _limits_fix(machine: Machine) -> str:
    if machine.system.container:
        return "start the container with a control group that it may write to"
    if machine.cgroups.version == "v2" and not machine.system.root:
        return f"start the fleet in a group of its own: {_DELEGATE}"
    return ""


def pressure_finding(pressure: Pressure) -> Finding:
    """Whether the kernel tells what waits (PSI), and whether much does now."""
    told = {"cpu": pressure.cpu, "memory": pressure.memory, "io": pressure.io}
    known = {name: share for name, share in told.items() if share is not None}
    if not known:
        return Finding(
            "pressure",
            Level.NOTE,
            "not told by this kernel (PSI)",
            "that memory runs short is seen in percent of it only, and so later",
            "add psi=1 to the kernel's command line, then reboot",
        )
    found = ", ".join(f"{name} {share:g} %" for name, share in known.items())
    found += " of the last 10 s spent waiting"
    if known.get("memory", 0) >= SHORT:
        meaning = "memory is short now; a fleet would make it worse"
        fix = "end what takes it: ps aux --sort=-rss | head"
        return Finding("pressure", Level.WARNING, found, meaning, fix)
    return Finding("pressure", Level.OK, found, "the kernel tells early when something runs short")


def files_finding(files: OpenFiles) -> Finding:
    """How many files a process may open; the keeper lifts the soft limit to the hard one."""
    if files.hard is None or files.hard >= ENOUGH_FILES:
        found = "without bound" if files.hard is None else f"{files.hard}"
        return Finding("open files", Level.OK, found, "enough for a full queue of calls")
    return Finding(
        "open files",
        Level.WARNING,
        f"{files.hard} at most",
        f"the gateway needs some {ENOUGH_FILES} for a full queue; calls beyond are refused",
        'echo "$USER - nofile 65536" | sudo tee /etc/security/limits.d/sutazai.conf,'
        " then log in again",
    )


def gpu_finding(gpus: Sequence[Gpu]) -> Finding:
    """Whether there is a graphics processor that a model could run on."""
    if not gpus:
        return Finding("gpu", Level.OK, "none", "models run on the processor: choose small ones")
    found = ", ".join(_gpu(gpu) for gpu in gpus)
    if all(gpu.memory_total is None for gpu in gpus):
        meaning = "listed by the kernel, and its tools are missing: nothing uses it for models"
        return Finding("gpu", Level.NOTE, found, meaning)
    return Finding(
        "gpu",
        Level.OK,
        found,
        "an Ollama uses it by itself; the embedded LLM runs on the processor",
        "to use it for the embedded LLM: a build of xllamacpp for this GPU (see its README)",
    )


def _gpu(gpu: Gpu) -> str:
    if gpu.memory_total is None:
        return gpu.name
    free = "" if gpu.memory_free is None else f", {format_size(gpu.memory_free)} free"
    return f"{gpu.name} ({format_size(gpu.memory_total)}{free})"


def python_finding(version: tuple[int, int, int], executable: str) -> Finding:
    """Which Python runs the fleet and its agents."""
    found = f"{'.'.join(map(str, version))} ({executable})"
    return Finding("python", Level.OK, found, "agents of runtime python run with it")
