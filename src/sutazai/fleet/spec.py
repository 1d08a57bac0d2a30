"""The fleet file as models: what may be declared, with its defaults and bounds.

Unknown keys are refused everywhere. What spans several parts (clashing ports, cycles, what cannot
fit) is found by ``fleet.checks``, not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sutazai.fleet.alerting import AlertRule, Notify, Objective
from sutazai.fleet.checkpoints import CheckpointPlan
from sutazai.fleet.declared import Interval, Name, Port, Priority, Spec, wrong
from sutazai.fleet.drift import Drift
from sutazai.fleet.isolation import Cores, Isolated, Isolation
from sutazai.fleet.messaging import BusSpec, Messages, Word
from sutazai.fleet.mounts import parse_mount
from sutazai.fleet.observing import Logs, Metrics, Tracing
from sutazai.fleet.queueing import TaskQueue
from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollouts import RolloutPlan
from sutazai.fleet.scheduling import Schedule
from sutazai.fleet.serving import (
    Backend,
    Balance,
    Budget,
    Client,
    ContextPolicy,
    EmbeddedLlm,
    Gateway,
    Tier,
    WorkBudget,
)
from sutazai.fleet.units import Duration, Size, parse_size
from sutazai.fleet.workflows import Workflow

MIB = 1024**2


class Runtime(StrEnum):
    """How an instance runs."""

    PYTHON = "python"
    COMMAND = "command"
    CONTAINER = "container"
    REMOTE = "remote"


class Temperature(StrEnum):
    """Hot runs always, warm is forked in milliseconds on demand, cold is started on demand."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class Rank(StrEnum):
    """The place in the hierarchy: workers ↔ team leads ↔ orchestrators."""

    ORCHESTRATOR = "orchestrator"
    LEAD = "lead"
    WORKER = "worker"


class Network(StrEnum):
    """How a container is connected: by the fleet's own bridge, or as any program of the machine."""

    BRIDGE = "bridge"
    HOST = "host"


class Pool(StrEnum):
    """A share of the memory plan."""

    INFRASTRUCTURE = "infrastructure"
    CRITICAL = "critical"
    STANDARD = "standard"
    MONITORING = "monitoring"


MEMORY_CLASSES: dict[str, int] = {
    "ml_heavy": 1024 * MIB,
    "standard": 512 * MIB,
    "lightweight": 256 * MIB,
    "monitoring": 128 * MIB,
    "utilities": 64 * MIB,
}
"""The most memory one instance of a class may take, in bytes."""

RESERVATION = 128 * MIB
"""What admission counts for an instance at its start, where its class allows as much."""


class Health(Spec):
    """How liveness is told. Without path and port a running process counts as healthy."""

    path: str | None = Field(None, description="HTTP path that answers 200 when well.")
    interval: Interval = Field(10.0, description="Time between two checks.")
    timeout: Interval = Field(5.0, description="A check that takes longer has failed.")
    failures: int = Field(3, ge=1, description="Failed checks in a row before a restart.")
    grace: Duration = Field(30.0, description="Time from start to the first good check.")


class Sampling(Spec):
    """How the model is asked, where the agent does not say it itself."""

    temperature: float = Field(0.4, ge=0, le=2, description="Randomness of the answer.")
    max_tokens: int = Field(512, ge=1, description="Bound on the tokens of one answer.")


class Scale(Spec):
    """More instances while calls wait, and fewer again when they are not needed."""

    max: int = Field(ge=1, le=1000, description="Most instances.")
    wait: Interval = Field(1.0, description="Wait of a call from which more instances start.")
    cooldown: Interval = Field(30.0, description="Time with more than needed before one ends.")


class Unit(Isolated):
    """What agents and services share: a program with limits, health and an order."""

    runtime: Runtime = Field(Runtime.PYTHON, description="How an instance runs.")
    description: str = Field("", description="One line for people.")
    command: tuple[str, ...] = Field(
        (), description="Program and arguments (`command`); `{port}` stands for the port."
    )
    image: str | None = Field(None, description="Image to run (`container`).")
    entrypoint: tuple[str, ...] = Field(
        (), description="Program in place of the image's own (`container`)."
    )
    volumes: tuple[str, ...] = Field(
        (),
        description="Volumes and folders of a `container`, as `data:/data` or `./conf:/conf:ro`.",
    )
    container_port: Port | None = Field(
        None, description="Where the program listens within its `container`; else at `{port}`."
    )
    container_name: str | None = Field(
        None,
        description="A container of this name that runs already is taken instead of a new one; "
        "the fleet never stops it (`container`).",
    )
    network: Network = Field(
        Network.BRIDGE,
        description="`bridge` (the fleet's own) or `host` (the machine's), of a `container`.",
    )
    user: str | None = Field(
        None, description="User, or user:group, within the `container`; else the image's own."
    )
    read_only: bool = Field(
        False, description="Whether a `container` may write to its volumes only."
    )
    url: str | None = Field(None, description="Where it already runs (`remote`).")
    environment: dict[str, str] = Field(
        default_factory=dict,
        description="Environment; `{port}` is its port, `{gateway}` the gateway's address for a "
        "container, `${VAR}` and `file:PATH` are resolved.",
    )
    directory: str | None = Field(None, description="Working folder.")
    port: Port | None = Field(None, description="Stable port; agents without one get one.")
    pool: Pool = Field(Pool.STANDARD, description="Share of the memory plan it counts in.")
    memory: str = Field(
        "standard",
        description="A class (ml_heavy, standard, lightweight, monitoring, utilities) or a size.",
    )
    cpu: float = Field(0.1, gt=0, le=1024, description="Cores it counts for when it works.")
    gpu_memory: Size = Field(0, description="GPU memory that one instance takes.")
    depends_on: tuple[Name, ...] = Field((), description="What must be healthy before it starts.")
    restart_with: tuple[Name, ...] = Field(
        (), description="Those of `depends_on` with whose restart it is restarted too."
    )
    health: Health = Field(default_factory=Health)
    stop_timeout: Duration = Field(10.0, description="Time from the polite to the hard stop.")

    @property
    def memory_limit(self) -> int:
        """Bytes one instance may take at most."""
        return MEMORY_CLASSES.get(self.memory) or parse_size(self.memory)

    @property
    def memory_reservation(self) -> int:
        """Bytes that admission counts for one instance."""
        return min(self.memory_limit, RESERVATION)

    @field_validator("volumes")
    @classmethod
    def _volumes_can_be_read(cls, volumes: tuple[str, ...]) -> tuple[str, ...]:
        for volume in volumes:
            parse_mount(volume)
        return volumes

    @field_validator("memory", mode="before")
    @classmethod
    def _memory_is_a_class_or_a_size(cls, memory: object) -> object:
        if isinstance(memory, str) and memory in MEMORY_CLASSES:
            return memory
        classes = ", ".join(MEMORY_CLASSES)
        try:
            size = parse_size(memory)
        except ValueError as error:
            raise ValueError(f"expected one of {classes}, or a size as 512MiB") from error
        if size == 0:
            raise ValueError("no program runs in no memory at all")
        return memory

    @model_validator(mode="after")
    def _runtime_has_what_it_needs(self) -> Self:
        needs = {
            Runtime.COMMAND: ("command", self.command),
            Runtime.CONTAINER: ("image", self.image),
            Runtime.REMOTE: ("url", self.url),
        }
        if self.runtime in needs and not needs[self.runtime][1]:
            raise wrong("runtime", f"runtime {self.runtime} needs `{needs[self.runtime][0]}`")
        return self


class Agent(Unit):
    """One declared agent."""

    class_: str | None = Field(
        None,
        alias="class",
        pattern=r"^[\w.]+:\w+$",
        description="`module:Class` of your own agent; without it, a role agent that needs none.",
    )
    python: str | None = Field(
        None,
        description="A virtual environment of its own, or its interpreter, of SutazAI's version of "
        "Python.",
    )
    requirements: str | None = Field(
        None, description="A requirements file: SutazAI makes an environment of it (`python`)."
    )
    prompt: str = Field("", description="What a role agent is told to be and to do.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Handed to the agent's class as `self.options`."
    )
    group: str = Field("agents", description="Group it is shown and addressed with.")
    rank: Rank = Field(Rank.WORKER, description="Place in the hierarchy.")
    lead: Name | None = Field(None, description="Who a worker reports to.")
    capabilities: tuple[Name, ...] = Field((), description="What tasks can ask for.")
    topics: tuple[Word, ...] = Field(
        (), description="Topics whose messages it gets, of those that it may speak with."
    )
    tier: Name = Field("standard", description="Class of model it asks by default.")
    sampling: Sampling = Field(default_factory=Sampling)
    tiers: tuple[Name, ...] = Field((), description="Tiers it may ask for; without any, all.")
    context: ContextPolicy = Field(
        ContextPolicy.REJECT,
        description="Prompts longer than the model's context: `reject` them, `window` (keep the "
        "system's and the newest turns) or `another-tier`.",
    )
    budget: Budget = Field(default_factory=Budget, description="What its key may use.")
    task_budget: WorkBudget = Field(
        default_factory=WorkBudget, description="What each of its tasks may use."
    )
    priority: Priority = Field(Priority.MEDIUM, description="Rank of its LLM calls in the queue.")
    temperature: Temperature = Field(Temperature.WARM, description="hot, warm or cold.")
    replicas: int = Field(1, ge=0, le=1000, description="Instances while it is hot or awake.")
    scale: Scale | None = Field(None, description="More than `replicas` while calls wait.")
    concurrency: int = Field(4, ge=1, le=1000, description="Tasks one instance takes at once.")
    pull: bool = Field(
        False,
        description="It fetches its tasks itself, by the calls of the old system, and runs always "
        "(not `python`).",
    )
    weight: float = Field(
        1.0, gt=0, le=1000, description="Its share of tasks that several agents can do."
    )
    balance: Balance = Field(
        Balance.LEAST_LOADED, description="How calls are shared among its instances."
    )
    idle_after: Duration = Field(300.0, description="Idle time before warm or cold goes to sleep.")
    recycle_after: Interval | None = Field(
        None, description="Age at which an instance makes room for a new one; up to a tenth later."
    )
    replayable: bool = Field(
        False,
        description="Its work may be done again at any time without harm to anything: rollouts may "
        "replay inputs of its tasks (`no_traffic: replay`).",
    )

    @model_validator(mode="after")
    def _only_python_has_a_class(self) -> Self:
        own = {"class": self.class_, "prompt": self.prompt}
        own |= {"python": self.python, "requirements": self.requirements}
        given = [key for key, value in own.items() if value]
        if self.runtime is not Runtime.PYTHON and given:
            raise wrong(given[0], f"`{given[0]}` is for runtime python, not {self.runtime}")
        if self.python and self.requirements:
            raise wrong("requirements", "give either `python` or `requirements`")
        return self

    @model_validator(mode="after")
    def _who_fetches_is_given_none(self) -> Self:
        if self.pull and self.runtime is Runtime.PYTHON:
            raise wrong("pull", "`pull` is for programs of others; python agents are given tasks")
        if self.pull and self.replayable:
            raise wrong("replayable", "who fetches its tasks cannot be given any to replay")
        return self

    @model_validator(mode="after")
    def _most_is_not_below_least(self) -> Self:
        if self.scale is not None and self.scale.max < self.replicas:
            raise wrong("scale", "`scale.max` is below `replicas`")
        return self


class Service(Unit):
    """What runs beside the agents under the same rules: a database, a queue, a tool."""

    runtime: Runtime = Runtime.COMMAND
    pool: Pool = Pool.INFRASTRUCTURE
    enabled: bool = Field(True, description="Whether it starts with the fleet.")
    dump: tuple[str, ...] = Field(
        (),
        description="Program and arguments that write its data to standard output, for "
        "checkpoints; run on this machine as the fleet's user, with its environment.",
    )
    restore: tuple[str, ...] = Field(
        (), description="The same for what reads them back, from standard input."
    )

    @model_validator(mode="after")
    def _not_python(self) -> Self:
        if self.runtime is Runtime.PYTHON:
            raise wrong("runtime", "a service has runtime command, container or remote")
        return self

    @property
    def memory_reservation(self) -> int:
        """Bytes that admission counts: all of them, for a database takes what it is given."""
        return self.memory_limit


class Ports(Spec):
    """Stable ports, all on loopback. ``up --port-base N`` moves them together."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    control: Port = Field(10010, description="Where the API is.")
    web: Port = Field(10011, description="Where the dashboard is.")
    gateway: Port = Field(10104, description="Where the LLM endpoints are.")
    agents_first: Port = Field(10300, description="First port that agents get.")
    agents_last: Port = Field(10599, description="Last port that agents get.")

    @model_validator(mode="after")
    def _first_is_not_above_last(self) -> Self:
        if self.agents_first > self.agents_last:
            raise wrong("agents_first", "`agents_first` is above `agents_last`")
        return self


class Memory(Spec):
    """The memory plan: how much the fleet may reserve, pool by pool."""

    total: Size | None = Field(None, description="Without it, what the machine has.")
    reserve: Size = Field(512 * MIB, description="Kept free for bursts.")
    pools: dict[Pool, Size] = Field(
        default_factory=dict, description="Bound on the sum of each pool's members."
    )


class Fleet(Spec):
    """A whole fleet file, catalogue merged in."""

    version: Literal[1] = Field(1, description="Version of this format.")
    name: Name = Field(description="Name of the fleet; its state folder follows from it.")
    description: str = Field("", description="One line for people.")
    catalogue: Literal["all", "none"] | tuple[str, ...] = Field(
        "none", description="Built-in agents to include: all, none, or groups and names."
    )
    ports: Ports = Field(default_factory=Ports)
    memory: Memory = Field(default_factory=Memory)
    isolation: Isolation = Field(default_factory=Isolation)
    affinity: dict[Name, Cores] = Field(
        default_factory=dict,
        description="Cores by set, as `0-3`: a pool's name, `llm`, or one that units name. What "
        "has no set runs on all cores; a set of which a core is missing is left out.",
    )
    llm: EmbeddedLlm = Field(default_factory=EmbeddedLlm)
    gateway: Gateway = Field(default_factory=Gateway)
    backends: dict[Name, Backend] = Field(
        default_factory=dict, description="LLM servers by name; without any, see `llm`."
    )
    tiers: dict[Name, Tier] = Field(
        default_factory=lambda: {name: Tier() for name in ("fast", "standard", "complex")},
        description="Classes of model by name; without it fast, standard and complex, all alike.",
    )
    messages: Messages = Field(default_factory=Messages)
    bus: BusSpec = Field(default_factory=BusSpec)
    clients: dict[Name, Client] = Field(
        default_factory=dict, description="Keys of programs and people beside the agents."
    )
    database: str | None = Field(
        None, description="URL of a Postgres for tasks and records; without it, SQLite."
    )
    tasks: TaskQueue = Field(default_factory=TaskQueue)
    agents: dict[Name, Agent] = Field(
        default_factory=dict, description="Agents by name, beside those of the catalogue."
    )
    services: dict[Name, Service] = Field(
        default_factory=dict, description="What runs beside the agents, by name."
    )
    schedules: dict[Name, Schedule] = Field(
        default_factory=dict, description="Work that is begun by the clock, by name."
    )
    workflows: dict[Name, Workflow] = Field(
        default_factory=dict, description="Work of several steps, by name."
    )
    alerts: dict[Name, AlertRule] = Field(
        default_factory=dict,
        description="What is wrong when, by name, beside the built-in alerts; an entry of one of "
        "those without a `metric` changes single keys of it.",
    )
    objectives: dict[Name, Objective] = Field(
        default_factory=dict, description="Service levels that are owed, by name."
    )
    notify: Notify = Field(default_factory=Notify)
    rollout: RolloutPlan = Field(
        default_factory=RolloutPlan, description="How agents are moved to a new version."
    )
    criteria: RolloutCriteria = Field(
        default_factory=RolloutCriteria, description="What a new version is judged by."
    )
    drift: Drift = Field(default_factory=Drift)
    logs: Logs = Field(default_factory=Logs)
    metrics: Metrics = Field(default_factory=Metrics)
    tracing: Tracing = Field(default_factory=Tracing)
    checkpoints: CheckpointPlan = Field(default_factory=CheckpointPlan)
