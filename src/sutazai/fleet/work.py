"""Work given to agents: the shapes of invocations, tasks and workflow runs.

Durations are seconds, times seconds since 1970.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from sutazai.fleet.declared import Priority
from sutazai.fleet.shapes import Shape
from sutazai.fleet.workflows import STANDARD

Label = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")]
"""What goes by header to whoever does the work: printable ASCII, 200 characters at most."""


class Invocation(Shape):
    """What an instance's `/invoke` and the API's `/agents/NAME/invoke` take.

    ``input`` is a text or any JSON value. ``schema_`` (in JSON: ``schema``), where given, is the
    JSON Schema that the answer must follow. ``deadline`` bounds the whole call. Calls to models
    that are made for it have its ``priority``, else the agent's own, and are charged to its
    ``task`` and ``run``. ``traceparent`` is the span that it lies in, as that header has it.
    """

    input: Any
    task: Label | None = None
    run: Label | None = None
    priority: Priority | None = None
    traceparent: Label | None = None
    deadline: float = 300.0
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    max_tokens: int | None = None


class Usage(Shape):
    """Tokens that one piece of work took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0


class Result(Shape):
    """What came of an invocation."""

    output: Any
    agent: str
    instance: str
    usage: Usage = Usage()
    seconds: float = 0.0


class WorkState(StrEnum):
    """Where a piece of work stands; only tasks wait, expire and are shed."""

    WAITING = "waiting"  # for other tasks, or for its time
    PENDING = "pending"  # in the queue
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # nobody took it within its time to live
    SHED = "shed"  # it made room for more urgent work

    @property
    def is_open(self) -> bool:
        """Whether it has still to end."""
        return self in OPEN

    @property
    def is_dead(self) -> bool:
        """Whether it ended in a way that somebody should look at: a dead letter."""
        return self in DEAD


OPEN = (WorkState.WAITING, WorkState.PENDING, WorkState.RUNNING)
DEAD = (WorkState.FAILED, WorkState.EXPIRED, WorkState.SHED)

TTL = 300.0
"""Seconds that a task which somebody waits for lives in the queue."""


class TaskRequest(Shape):
    """What the API's `/tasks` takes: work for one ``agent``, or for any with a ``capability`` or
    of a ``group``.

    ``input`` is a text or any JSON value; instead of it ``file`` may name one below the artifacts
    folder. ``deadline`` bounds each attempt, ``ttl`` the wait for the first. An attempt that fails
    is made ``retries`` times again, after ``backoff`` seconds and twice that each time. With
    ``dedup`` an open task of the same content is taken for this one. ``depends_on`` has ids or
    idempotency keys of tasks that must be done before; ``delay`` counts from now, ``not_before``
    is a time. Tasks of the same ``run`` go to the same agent where they can.
    """

    agent: str | None = None
    capability: str | None = None
    group: str | None = None
    input: Any = None
    file: str | None = None
    priority: Priority | None = None
    deadline: float = Field(300.0, gt=0)
    ttl: float | None = Field(TTL, gt=0)
    retries: int = Field(0, ge=0, le=20)
    backoff: float = Field(1.0, ge=0, le=3600)
    idempotency_key: str | None = None
    dedup: bool = False
    depends_on: tuple[str, ...] = ()
    delay: float | None = Field(None, ge=0)
    not_before: float | None = None
    run: Label | None = None

    @model_validator(mode="after")
    def _one_target_and_one_input(self) -> Self:
        if sum(each is not None for each in (self.agent, self.capability, self.group)) != 1:
            raise ValueError("name exactly one of `agent`, `capability` and `group`")
        if (self.file is not None) == ("input" in self.model_fields_set):
            raise ValueError("give either `input` or `file`")
        if self.delay is not None and self.not_before is not None:
            raise ValueError("give `delay` or `not_before`, not both")
        return self

    @property
    def lane(self) -> str:
        """Who may do it, as one word."""
        if self.agent is not None:
            return f"agent:{self.agent}"
        return f"capability:{self.capability}" if self.capability else f"group:{self.group}"


class TaskBatch(Shape):
    """What the API's `/tasks/batch` takes: all of them or none. A task of a batch without a
    ``ttl`` of its own has none."""

    tasks: tuple[TaskRequest, ...]


class Attempt(Shape):
    """One time that an agent was asked. ``instance`` is None where it is not known."""

    number: int
    agent: str
    executor: str
    instance: str | None = None
    started: float
    ended: float | None = None
    error: dict[str, Any] | None = None


class Task(Shape):
    """A durable piece of work.

    ``agent`` is who was asked for or who got it, ``reason`` says why it stands where it does, and
    ``position`` is its place in the queue, from 1, where that was asked for. ``attempts`` are the
    last ones.
    """

    id: str
    agent: str | None = None
    capability: str | None = None
    group: str | None = None
    input: Any = None
    file: str | None = None
    state: WorkState
    reason: str = ""
    position: int | None = None
    priority: Priority | None = None
    created: float
    not_before: float | None = None
    expires: float | None = None
    started: float | None = None
    ended: float | None = None
    executor: str | None = None
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    depends_on: tuple[str, ...] = ()
    output: Any = None
    error: dict[str, Any] | None = None
    run: str | None = None
    step: str | None = None


class RunRequest(Shape):
    """What the API's `/runs` takes: a goal, a backlog, or both; or, for a ``workflow`` of the fleet
    file, its ``input``, which is any JSON value."""

    goal: str = ""
    backlog: tuple[str, ...] = ()
    workflow: str = STANDARD
    input: Any = None


class Artifact(Shape):
    """A file that a run wrote, below its folder. ``sha256`` is in hex."""

    name: str
    path: str
    size: int
    sha256: str


class Answer(Shape):
    """What the API's `/runs/ID/approvals/STEP` takes."""

    approved: bool
    comment: str = Field("", max_length=10_000)


class Decision(Answer):
    """What a person answered, and when."""

    at: float


class StepStatus(Shape):
    """One step of a run, one of its items, or one round of it; ``item`` says on what it works, or
    what a person is asked. One that waits does so for a ``decision``."""

    name: str
    agent: str
    state: WorkState
    item: str = ""
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    error: dict[str, Any] | None = None
    decision: Decision | None = None


class Run(Shape):
    """One run of a workflow. ``notes`` say what a reader should know, as that a plan fell back."""

    id: str
    workflow: str
    goal: str
    backlog: tuple[str, ...] = ()
    input: Any = None
    state: WorkState
    created: float
    ended: float | None = None
    steps: tuple[StepStatus, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
