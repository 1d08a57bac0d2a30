"""Work given to agents: the shapes of invocations, tasks and workflow runs.

Durations are seconds, times seconds since 1970.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Shape

Label = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")]
"""What goes by header to whoever does the work: printable ASCII, 200 characters at most."""


class Invocation(Shape):
    """What an instance's `/invoke` and the API's `/agents/NAME/invoke` take.

    ``input`` is a text or any JSON value. ``schema_`` (in JSON: ``schema``), where given, is the
    JSON Schema that the answer must follow. ``deadline`` bounds the whole call. Calls to models
    that are made for it have its ``priority``, else the agent's own, and are charged to its
    ``task`` and ``run``.
    """

    input: Any
    task: Label | None = None
    run: Label | None = None
    priority: Priority | None = None
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
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskRequest(Shape):
    """What the API's `/tasks` takes."""

    agent: str
    input: Any
    priority: Priority | None = None
    deadline: float = Field(300.0, gt=0)
    idempotency_key: str | None = None


class Task(Shape):
    """A durable piece of work for one agent."""

    id: str
    agent: str
    input: Any
    state: WorkState
    created: float
    started: float | None = None
    ended: float | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    run: str | None = None
    step: str | None = None


class RunRequest(Shape):
    """What the API's `/runs` takes: a goal, a backlog, or both."""

    goal: str = ""
    backlog: tuple[str, ...] = ()


class Artifact(Shape):
    """A file that a run wrote, below its folder. ``sha256`` is in hex."""

    name: str
    path: str
    size: int
    sha256: str


class StepStatus(Shape):
    """One step of a run; ``item`` says which planned item an executor step works on."""

    name: str
    agent: str
    state: WorkState
    item: str = ""
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    error: dict[str, Any] | None = None


class Run(Shape):
    """One run of a workflow. ``notes`` say what a reader should know, as that a plan fell back."""

    id: str
    workflow: str
    goal: str
    backlog: tuple[str, ...] = ()
    state: WorkState
    created: float
    ended: float | None = None
    steps: tuple[StepStatus, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
