"""Whether a fleet fits a machine: memory, pools, cores and LLM slots together. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from sutazai.fleet.desired import Kind
from sutazai.fleet.ports import local_port
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.serving import Backend, EmbeddedLlm
from sutazai.fleet.spec import MIB, Agent, Fleet, Pool, Runtime, Service, Temperature
from sutazai.fleet.units import format_size

PLANES = 320 * MIB
"""What keeper, host, gateway, control, dashboard and zygote take together."""

CORES_OVERBOOKED = 4
"""How many times over the cores may be promised. Beyond, a unit gets less than a quarter of what it
is said to need, and health checks fail for want of CPU alone."""

LLM_BUFFERS = 128 * MIB
"""What llama.cpp takes beside weights and context."""

KNOWN_PARAMETERS = {"smollm2-135m-instruct": 0.135}
"""Parameters of the built-in models, in thousand millions."""

_KINDS = {
    Kind.AGENT: "hot agents ({})",
    Kind.SERVICE: "services ({})",
    Kind.PLANE: "embedded LLM",
}
"""How the parts of the memory plan are spoken of."""

_PARAMETERS = re.compile(r"(\d+(?:\.\d+)?)([bm])(?![a-z])", re.IGNORECASE)
_QUANTISED = re.compile(r"q(\d)(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Machine:
    """What there is: ``memory`` in bytes, ``cores``, and the embedded model's file if one looked.

    ``model_size`` is that file's size in bytes; without it the model's name is read. ``missing``
    are programs that managed backends need and that were looked for in vain. ``landlock`` is the
    kernel's version of it, 0 for none, and ``cpus`` are the numbers of the cores; both are None
    where nobody looked. ``gpu`` is bytes of GPU memory, None where no tool tells them.
    """

    memory: int
    cores: float
    model_size: int | None = None
    missing: frozenset[str] = frozenset()
    landlock: int | None = None
    cpus: frozenset[int] | None = None
    gpu: int | None = None


@dataclass(frozen=True)
class Share:
    """What one unit holds while the fleet runs: bytes reserved, cores wanted."""

    name: str
    kind: Kind
    pool: Pool
    memory: int
    cores: float


def check_fit(fleet: Fleet, machine: Machine, positions: Positions) -> Iterator[Problem]:
    """Problems of ``fleet`` on ``machine``, each with its figures."""
    shares = running_shares(fleet, machine.model_size)
    yield from _memory(fleet, machine, positions, shares)
    yield from _total_above_machine(fleet, machine, positions)
    yield from _gpu_memory(fleet, machine, positions)
    yield from _pools(fleet, machine, positions, shares)
    yield from _cores(machine, positions, shares)
    yield from _slots(fleet, positions)


def reserved_memory(fleet: Fleet, model_size: int | None = None) -> int:
    """Bytes that ``fleet`` reserves while only what is hot runs, its reserve included."""
    return sum(_parts(fleet, running_shares(fleet, model_size)).values())


def running_shares(fleet: Fleet, model_size: int | None = None) -> list[Share]:
    """All that runs on this machine while nobody asks for anything: hot agents, services, LLM."""
    return [
        *_agent_shares(fleet),
        *_service_shares(fleet),
        *_managed_shares(fleet),
        *_llm_shares(fleet, model_size),
    ]


def managed_unit(backend: str) -> str:
    """What the unit of a backend that the fleet starts is called in status, logs and events."""
    return f"ollama-{backend}"


def llm_memory(llm: EmbeddedLlm, model_size: int | None = None) -> int:
    """Bytes of the embedded LLM server: weights, context of all slots, prompt cache, buffers.

    Weights are ``model_size``, or what the model's name says (`…-7b-q4.gguf`: 7 thousand million
    parameters of 4 bits; 8 bits and one thousand million where it says nothing). A token of context
    takes 64 KiB per thousand million parameters, that is what Llama 2 7B takes with 16-bit keys
    and values, and 24 KiB at least.
    """
    billions = _parameters(llm.model, model_size)
    weights = model_size or int(billions * 1e9 * _bits(llm.model) / 8)
    context = llm.slots * llm.context * int(max(24, 64 * billions) * 1024)
    return weights + context + llm.prompt_cache + LLM_BUFFERS


def _parameters(model: str, model_size: int | None) -> float:
    if model in KNOWN_PARAMETERS:
        return KNOWN_PARAMETERS[model]
    if found := _PARAMETERS.search(model):
        return float(found[1]) / (1000 if found[2] in "mM" else 1)
    return model_size / 1e9 if model_size else 1.0


def _bits(model: str) -> float:
    if found := _QUANTISED.search(model):
        return int(found[1]) + 0.5  # scales beside the weights
    return 16 if "f16" in model.lower() else 8.5


def _agent_shares(fleet: Fleet) -> list[Share]:
    return [
        Share(
            name,
            Kind.AGENT,
            agent.pool,
            agent.memory_reservation * agent.replicas,
            agent.cpu * agent.replicas,
        )
        for name, agent in fleet.agents.items()
        if agent.temperature is Temperature.HOT and agent.replicas and _is_here(agent)
    ]


def _service_shares(fleet: Fleet) -> list[Share]:
    return [
        Share(name, Kind.SERVICE, service.pool, service.memory_reservation, service.cpu)
        for name, service in fleet.services.items()
        if service.enabled and _is_here(service)
    ]


def _is_here(unit: Agent | Service) -> bool:
    """Whether it takes this machine's memory: all that runs here, whoever started it."""
    url = unit.url or ""
    return unit.runtime is not Runtime.REMOTE or url.startswith("unix:") or bool(local_port(url))


def _managed_shares(fleet: Fleet) -> list[Share]:
    """The LLM servers that the fleet starts. Without `threads` they take idle cores."""
    return [
        Share(managed_unit(name), Kind.SERVICE, Pool.INFRASTRUCTURE, one.memory, one.threads or 0)
        for name, backend in fleet.backends.items()
        if (one := backend.managed) is not None
    ]


def _llm_shares(fleet: Fleet, model_size: int | None) -> list[Share]:
    """The embedded LLM, where no backend is declared. Without `threads` it takes idle cores."""
    if fleet.backends:
        return []
    memory = llm_memory(fleet.llm, model_size)
    return [Share("embedded LLM", Kind.PLANE, Pool.INFRASTRUCTURE, memory, fleet.llm.threads or 0)]


def _total(shares: list[Share]) -> int:
    return sum(share.memory for share in shares)


def _available(fleet: Fleet, machine: Machine) -> int:
    return min(fleet.memory.total or machine.memory, machine.memory)


def _parts(fleet: Fleet, shares: list[Share]) -> dict[str, int]:
    """Bytes by what takes them, in words."""
    parts = {}
    for kind, words in _KINDS.items():
        members = [share for share in shares if share.kind is kind]
        parts[words.format(len(members))] = _total(members)
    return {**parts, "SutazAI itself": PLANES, "reserve": fleet.memory.reserve}


def _memory(
    fleet: Fleet, machine: Machine, positions: Positions, shares: list[Share]
) -> Iterator[Problem]:
    parts = _parts(fleet, shares)
    need, have = sum(parts.values()), _available(fleet, machine)
    if need <= have:
        return
    listed = ", ".join(f"{name} {format_size(size)}" for name, size in parts.items() if size)
    yield positions.problem(
        ("memory", "total"),
        f"the fleet needs {format_size(need)} of memory and may use {format_size(have)}: {listed}",
        hint=_how_to_save(need - have, shares),
    )


def _total_above_machine(fleet: Fleet, machine: Machine, positions: Positions) -> Iterator[Problem]:
    total = fleet.memory.total
    # A machine shows a little less than it was sold with: firmware and kernel keep some.
    if total and total > machine.memory * 1.05:
        yield positions.problem(
            ("memory", "total"),
            f"`memory.total` is {format_size(total)}, and the machine has "
            f"{format_size(machine.memory)}",
            hint="the smaller one counts; without `total` the machine's own is used",
            severity=Severity.WARNING,
        )


def _gpu_memory(fleet: Fleet, machine: Machine, positions: Positions) -> Iterator[Problem]:
    """What always runs must fit together, and anything else by itself."""
    units: dict[str, Agent | Service] = {**fleet.agents, **fleet.services}
    wanted = {name: unit for name, unit in units.items() if unit.gpu_memory and _is_here(unit)}
    if not wanted:
        return
    largest = max(wanted, key=lambda name: wanted[name].gpu_memory)
    path: Path = ("agents" if largest in fleet.agents else "services", largest, "gpu_memory")
    if machine.gpu is None:
        yield positions.problem(
            path,
            "GPU memory is declared, and neither nvidia-smi nor rocm-smi tells what there is",
            hint="install the driver's tools; until then nothing holds it",
            severity=Severity.WARNING,
        )
        return
    always = sum(unit.gpu_memory * _always(unit) for unit in wanted.values())
    need = max(always, wanted[largest].gpu_memory)
    if need > machine.gpu:
        yield positions.problem(
            path,
            f"the fleet needs {format_size(need)} of GPU memory, and there are "
            f"{format_size(machine.gpu)}",
            hint="use smaller models, or make agents warm that need not run together",
        )


def _always(unit: Agent | Service) -> int:
    """How many instances of it run while nobody asks for anything."""
    if isinstance(unit, Service):
        return int(unit.enabled)
    return unit.replicas if unit.temperature is Temperature.HOT else 0


def _how_to_save(over: int, shares: list[Share]) -> str:
    """The fewest hot agents that must become warm; where all would not do, what else is large."""
    agents = [share for share in shares if share.kind is Kind.AGENT]
    saved = count = 0
    for share in sorted(agents, key=lambda share: -share.memory):
        if saved < over:
            saved, count = saved + share.memory, count + 1
    if saved >= over:
        return f"set `temperature: warm` for {count} of the hot agents to save {format_size(saved)}"
    return f"{format_size(over)} too much; the largest are {_largest(shares)}"


def _largest(shares: list[Share]) -> str:
    ordered = sorted(shares, key=lambda share: -share.memory)
    return ", ".join(f"{share.name} {format_size(share.memory)}" for share in ordered[:3])


def _pools(
    fleet: Fleet, machine: Machine, positions: Positions, shares: list[Share]
) -> Iterator[Problem]:
    for pool, bound in fleet.memory.pools.items():
        members = [share for share in shares if share.pool is pool]
        need = _total(members)
        if need > bound:
            yield positions.problem(
                ("memory", "pools", pool.value),
                f"pool {pool} is bounded to {format_size(bound)}, and its {len(members)} members "
                f"that always run need {format_size(need)}",
                hint=f"raise the bound, or take one out; the largest are {_largest(members)}",
            )
    promised = sum(fleet.memory.pools.values()) + fleet.memory.reserve
    have = _available(fleet, machine)
    if fleet.memory.pools and promised > have:
        yield positions.problem(
            ("memory", "pools"),
            f"pools and reserve add up to {format_size(promised)}, and there are "
            f"{format_size(have)}: they cannot all be full at once",
            hint=f"lower them by {format_size(promised - have)}",
            severity=Severity.WARNING,
            at_key=True,
        )


def _cores(machine: Machine, positions: Positions, shares: list[Share]) -> Iterator[Problem]:
    """Overbooked cores make everything slower, which is a warning; hopelessly so is an error."""
    wanted = round(sum(share.cores for share in shares), 6)  # 20 times 0.1 is 2, not a bit more
    if wanted <= machine.cores:
        return
    hopeless = wanted > machine.cores * CORES_OVERBOOKED
    largest = sorted(shares, key=lambda share: -share.cores)[:3]
    listed = ", ".join(f"{share.name} {share.cores:g}" for share in largest)
    yield positions.problem(
        ("agents",),
        f"what always runs wants {wanted:.4g} cores when all of it works, and the machine has "
        f"{machine.cores:g}: each gets {ceil(100 * machine.cores / wanted)} % of its share",
        hint=f"make hot agents warm, or lower `cpu`; the largest are {listed}",
        severity=Severity.ERROR if hopeless else Severity.WARNING,
        at_key=True,
    )


def _slots(fleet: Fleet, positions: Positions) -> Iterator[Problem]:
    found = [_slots_of(backend) for backend in fleet.backends.values()]
    known = [slots for slots in found if slots is not None]
    if len(known) < len(fleet.backends):
        return  # how many there are is found by measuring
    slots = sum(known) or fleet.llm.slots
    hot = sum(
        agent.replicas for agent in fleet.agents.values() if agent.temperature is Temperature.HOT
    )
    if hot <= slots:
        return
    path: Path = ("backends",) if fleet.backends else ("llm", "slots")
    yield positions.problem(
        path,
        f"{hot} hot agents share {slots} LLM slot{'s' * (slots > 1)}: "
        f"when all ask at once, {hot - slots} wait",
        hint="they wait in the gateway's queue; more `slots` need more memory or another backend",
        severity=Severity.WARNING,
        at_key=True,
    )


def _slots_of(backend: Backend) -> int | None:
    managed = backend.managed
    return backend.slots or (managed.parallel if managed is not None else None)
