"""From the fleet to what the host should run. Pure: the same fleet gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sutazai.control.isolating import isolated
from sutazai.control.managed import managed_units
from sutazai.control.rollouts.arms import Arms, ArmUnit, Side
from sutazai.control.settings import Listening
from sutazai.control.source import LlmSource, Source
from sutazai.control.uids import Users
from sutazai.fleet.desired import (
    GATEWAY,
    Container,
    DesiredUnit,
    Kind,
    Plan,
    Probe,
    Scaling,
    Standing,
)
from sutazai.fleet.fit import PLANES, llm_memory
from sutazai.fleet.mounts import parse_mount
from sutazai.fleet.observing import LogFormat, Logs
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import FILE_PREFIX
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Agent, Fleet, Pool, Runtime, Service, Temperature, Unit

ROLE_AGENT = "sutazai.agent.role:RoleAgent"
LLM = "llm"
HEALTH = "/health"
PORT = "{port}"
"""Stands for the port in a command and its environment: a program that gets it listens there."""
LLM_PROBE = Probe(path="/health", interval=5.0, timeout=5.0, failures=3, grace=120.0)

_CRITICAL = (Pool.CRITICAL, Pool.INFRASTRUCTURE)
"""Pools whose members go last when memory is short."""

_MAKES_AN_INSTANCE = (
    "kind",
    "runtime",
    "entry",
    "python",
    "requirements",
    "code",
    "options",
    "command",
    "environment",
    "directory",
    "address",
    "container",
    "memory_limit",
    "isolation",
    "cores",
)
"""What an instance cannot take on while it runs; everything else changes without a restart."""


@dataclass(frozen=True)
class House:
    """Where the fleet lives: what units are told beside their own declaration.

    Args:
        base: folder that relative paths in the fleet file count from.
        keys: each agent's key at the gateway.
        users: the users that units run as.
        codes: digest of each agent's own code, where it has any.
        throttle: cores that each agent is held to in an emergency.
    """

    places: Places
    listening: Listening
    base: Path
    keys: Mapping[str, str]
    users: Users = field(default_factory=Users)
    codes: Mapping[str, str] = field(default_factory=dict)
    throttle: float | None = None


@dataclass(frozen=True)
class Move:
    """Agents on their way to a new version: their units, and the fleet and house of the old one."""

    arms: Arms
    fleet: Fleet
    house: House


@dataclass(frozen=True)
class Drawing:
    """The units of agents as one revision declares them, drawn when they are first wanted."""

    fleet: Fleet
    house: House
    stopped: Set[str]
    _units: dict[str, DesiredUnit] = field(default_factory=dict, compare=False)

    def unit(self, name: str) -> DesiredUnit:
        """The unit of that agent."""
        if name not in self._units:
            fleet, house = self.fleet, self.house
            unit = _isolated(_agent(name, fleet.agents[name], house), fleet, house)
            self._units[name] = _finished(_logging(unit, fleet.logs), self.stopped)
        return self._units[name]


class Drawings:
    """The drawings that were used last. While agents move, the fleet is planned anew for each few
    of them, and hardly any unit differs."""

    def __init__(self) -> None:
        self._last: tuple[Drawing, ...] = ()

    def of(self, *wanted: Drawing) -> tuple[Drawing, ...]:
        """``wanted``, each as it was drawn before where that was lately."""
        self._last = tuple(
            next((known for known in self._last if known == one), one) for one in wanted
        )
        return self._last


def plan_units(
    fleet: Fleet,
    house: House,
    source: LlmSource,
    stopped: Set[str] = frozenset(),
    move: Move | None = None,
    drawings: Drawings | None = None,
) -> tuple[DesiredUnit, ...]:
    """Every unit of the fleet, the embedded LLM where it is the source, and managed backends.
    ``drawings`` spare who plans often much of it."""
    units = [_llm(fleet.llm, house)] if source.kind is Source.EMBEDDED else []
    units += managed_units(fleet.backends, str(house.base))
    units += [
        _service(name, service, house)
        for name, service in fleet.services.items()
        if service.enabled
    ]
    planned = [_finished(_isolated(unit, fleet, house), stopped) for unit in units]
    before = (move.fleet, move.house) if move else (fleet, house)
    new, old = (drawings or Drawings()).of(
        Drawing(fleet, house, stopped), Drawing(*before, stopped)
    )
    sides = {Side.NEW: new, Side.OLD: old}
    for name in fleet.agents:
        arms = move.arms.units.get(name) if move else None
        planned += [
            arm.of(sides[arm.side].unit(name)) for arm in arms or (ArmUnit(name, Side.NEW),)
        ]
    return tuple(planned)


def _logging(unit: DesiredUnit, logs: Logs) -> DesiredUnit:
    """With how its instances log. What is usual is not said, so it is no part of a version."""
    if logs.format is LogFormat.CONSOLE or unit.runtime is not Runtime.PYTHON:
        return unit
    return unit.model_copy(update={"options": {**unit.options, "logs": logs.format.value}})


def _isolated(unit: DesiredUnit, fleet: Fleet, house: House) -> DesiredUnit:
    return isolated(
        unit,
        fleet,
        house.users,
        places=house.places,
        base=house.base,
        gateway=house.listening.gateway,
    )


def plan_memory(fleet: Fleet, source: LlmSource) -> Plan:
    """How the host shares memory out. What the embedded LLM takes is taken from its pool, too."""
    llm = llm_memory(fleet.llm) if source.kind is Source.EMBEDDED else 0
    pools = dict(fleet.memory.pools)
    if Pool.INFRASTRUCTURE in pools:
        pools[Pool.INFRASTRUCTURE] = max(0, pools[Pool.INFRASTRUCTURE] - llm)
    memory = fleet.memory
    return Plan(total=memory.total, reserve=memory.reserve, house=PLANES + llm, pools=pools)


def _finished(unit: DesiredUnit, stopped: Set[str]) -> DesiredUnit:
    version = digest_of(unit.model_dump(mode="json", include=set(_MAKES_AN_INSTANCE)))
    update: dict[str, Any] = {"version": version, "stopped": unit.name in stopped}
    if unit.kind is Kind.AGENT:
        update["options"] = {**unit.options, "version": version}
    return unit.model_copy(update=update)


def digest_of(value: Any) -> str:
    """16 hexadecimal characters that stand for a JSON-ready value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _agent(name: str, agent: Agent, house: House) -> DesiredUnit:
    python = agent.runtime is Runtime.PYTHON
    common = _unit(name, agent, house)
    return DesiredUnit(
        **{
            **common,
            "environment": {
                **_agent_environment(name, agent, house),
                **_with_key(common["environment"], house.keys[name]),
            },
            "options": _agent_options(name, agent, house) if python else {},
        },
        kind=Kind.AGENT,
        version="",
        group=agent.group,
        # Nobody calls an agent that fetches, so nothing would ever wake it.
        temperature=Temperature.HOT if agent.pull else agent.temperature,
        replicas=agent.replicas,
        entry=(agent.class_ or ROLE_AGENT) if python else None,
        python=_placed(agent.python, house),
        requirements=_placed(agent.requirements, house),
        code=house.codes.get(name, ""),
        address=agent.url if agent.runtime is Runtime.REMOTE else None,
        priority=agent.priority,
        concurrency=agent.concurrency,
        scale=_scaling(agent),
        idle_after=agent.idle_after,
        recycle_after=agent.recycle_after,
        throttle=house.throttle,
    )


def _placed(path: str | None, house: House) -> str | None:
    return None if path is None else str(house.base / Path(path).expanduser())


def _scaling(agent: Agent) -> Scaling | None:
    scale = agent.scale
    if scale is None:
        return None
    return Scaling(most=scale.max, wait=scale.wait, cooldown=scale.cooldown)


def _service(name: str, service: Service, house: House) -> DesiredUnit:
    here = f"http://127.0.0.1:{service.port}" if service.port else None
    return DesiredUnit(
        **_unit(name, service, house),
        kind=Kind.SERVICE,
        version="",
        address=service.url if service.runtime is Runtime.REMOTE else here,
    )


def _unit(name: str, unit: Unit, house: House) -> dict[str, Any]:
    """What agents and services share."""
    return {
        "name": name,
        "runtime": unit.runtime,
        "container": _container(unit, house),
        "command": unit.command,
        "environment": {key: _anchored(text, house) for key, text in unit.environment.items()},
        "directory": str(house.base / (unit.directory or ".")),
        "probe": _probe(unit),
        "depends_on": unit.depends_on,
        "restart_with": unit.restart_with,
        "memory_limit": unit.memory_limit,
        "cpu": unit.cpu,
        "gpu_memory": unit.gpu_memory,
        "pool": unit.pool,
        "standing": Standing.CRITICAL if unit.pool in _CRITICAL else Standing.ORDINARY,
        "stop_timeout": unit.stop_timeout,
    }


def _container(unit: Unit, house: House) -> Container | None:
    if unit.runtime is not Runtime.CONTAINER or unit.image is None:
        return None
    return Container(
        image=unit.image,
        entrypoint=unit.entrypoint,
        volumes=tuple(str(parse_mount(each).anchored(house.base)) for each in unit.volumes),
        port=unit.container_port,
        network=unit.network,
        user=unit.user,
        read_only=unit.read_only,
        directory=unit.directory,
        attach=unit.container_name,
    )


def _anchored(text: str, house: House) -> str:
    """A reference to a secret's file with its full path; what it holds is read by the host."""
    if not text.startswith(FILE_PREFIX):
        return text
    path = text.removeprefix(FILE_PREFIX)
    return text if path.startswith(("~", "${")) else f"{FILE_PREFIX}{house.base / path}"


def _agent_options(name: str, agent: Agent, house: House) -> dict[str, Any]:
    return {
        "agent": name,
        "prompt": agent.prompt,
        "tier": agent.tier,
        "sampling": agent.sampling.model_dump(mode="json"),
        "concurrency": agent.concurrency,
        "options": agent.options,
        "gateway": f"unix:{house.places.agents_socket}",
    }


def _agent_environment(name: str, agent: Agent, house: House) -> dict[str, str]:
    """What every agent may know; a program of somebody else's gets it in the names it reads."""
    key = house.keys[name]
    ours = {"SUTAZAI_KEY": key}
    if agent.runtime is Runtime.PYTHON:
        return ours
    contained = agent.runtime is Runtime.CONTAINER
    gateway = GATEWAY if contained else house.listening.url(house.listening.gateway)
    return {
        **ours,
        "AGENT_NAME": name,
        "AGENT_TYPE": name,
        "BACKEND_URL": _keyed(gateway, key),
        "OLLAMA_BASE_URL": _keyed(gateway, key),
        "OLLAMA_HOST": _keyed(gateway, key) if contained else gateway,
        "OPENAI_BASE_URL": f"{gateway}/v1",
        "OPENAI_API_KEY": key,
    }


def _with_key(environment: Mapping[str, str], key: str) -> dict[str, str]:
    """Where the gateway asks for a key, its address has it for whoever can send none."""
    return {name: text.replace(GATEWAY, _keyed(GATEWAY, key)) for name, text in environment.items()}


def _keyed(gateway: str, key: str) -> str:
    return f"{gateway}/key/{key}"


def _probe(unit: Unit) -> Probe:
    """Our own agents serve `/health`; of a program only what it declares is known."""
    health = unit.health
    own = HEALTH if unit.runtime is Runtime.PYTHON else None
    return Probe(
        path=health.path or own,
        tcp=any(PORT in text for text in (*unit.command, *unit.environment.values())),
        interval=health.interval,
        timeout=health.timeout,
        failures=health.failures,
        grace=health.grace,
    )


def _llm(llm: EmbeddedLlm, house: House) -> DesiredUnit:
    return DesiredUnit(
        name=LLM,
        kind=Kind.PLANE,
        version="",
        runtime=Runtime.COMMAND,
        command=llm_command(llm, house.places),
        address=f"unix:{house.places.llm_socket}",
        probe=LLM_PROBE,
        standing=Standing.PROTECTED,
    )


def llm_command(llm: EmbeddedLlm, places: Places) -> tuple[str, ...]:
    """How the embedded LLM server is started."""
    options = {
        "--socket": places.llm_socket,
        "--model": llm.model,
        "--slots": llm.slots,
        "--context": llm.context,
        "--prompt-cache": f"{llm.prompt_cache}B",
        **({"--threads": llm.threads} if llm.threads else {}),
    }
    words = [str(word) for pair in options.items() for word in pair]
    return (sys.executable, "-m", "sutazai.llm", "serve", *words)
