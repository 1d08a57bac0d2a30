"""What agents ask of control, by way of the gateway: it knows them by their keys, and names them.

Registering, beating, fetching and completing are the calls of the old system, with its forms.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from sutazai.control.api.parts import Parts, PartsDep
from sutazai.fleet.errors import QueueFull, Refused
from sutazai.fleet.fetching import BEAT, Completion, Fetcher, Heartbeat, Registration
from sutazai.fleet.hierarchy import Hierarchy
from sutazai.fleet.ids import new_tag
from sutazai.fleet.work import Task, TaskRequest

router = APIRouter(prefix="/from", tags=["from agents"])


@router.get("")
async def list_registered(parts: PartsDep) -> list[Fetcher]:
    """Agents that registered to fetch their tasks, and when each last gave a heartbeat."""
    return await parts.work.pull.registered()


@router.post("/{name}/register")
async def register(parts: PartsDep, name: str, said: Registration) -> dict[str, Any]:
    """A life of an agent begins that fetches its tasks."""
    await parts.work.pull.register(name, said)
    return {"status": "registered", "agent": name, "heartbeat_interval": BEAT}


@router.post("/{name}/heartbeat")
async def heartbeat(parts: PartsDep, name: str, said: Heartbeat) -> dict[str, str]:
    """An agent lives."""
    await parts.work.pull.beat(name, said)
    return {"status": "ok"}


@router.get("/{name}/next/{kind}", response_model=None)
async def next_task(parts: PartsDep, name: str, kind: str) -> dict[str, Any] | Response:
    """The next task for an agent; 204 where there is none."""
    task = await parts.work.pull.next(name, kind)
    return Response(status_code=204) if task is None else task


@router.post("/{name}/complete")
async def complete(parts: PartsDep, name: str, said: Completion) -> dict[str, str]:
    """How a task ended that an agent fetched. 409 where it is not the agent's any more."""
    await parts.work.pull.complete(name, said)
    return {"status": "ok"}


@router.post("/{name}/tasks")
async def submit(parts: PartsDep, name: str, request: TaskRequest) -> Task:
    """Work that an agent gives to those it may speak with. Its idempotency keys are its own."""
    parts.agent(name)
    _check_hierarchy(parts, name, request)
    most = parts.settings.fleet.tasks.queue_per_giver
    if await parts.work.tasks.count_open(f"{name}/") >= most:
        raise QueueFull(
            f"{most} tasks that {name} gave have not ended yet",
            hint="give more later, or raise `tasks.queue_per_giver`",
        )
    key = f"{name}/{request.idempotency_key or new_tag(16)}"
    return await parts.work.task_desk.submit(request.model_copy(update={"idempotency_key": key}))


def _check_hierarchy(parts: Parts, sender: str, request: TaskRequest) -> None:
    """Raises Refused where anybody could get it whom ``sender`` does not speak with."""
    if request.file is not None:
        raise Refused("an agent gives its tasks an `input`", hint="put the text into it")
    hierarchy = Hierarchy.of(parts.settings.fleet)
    for name in parts.work.crew.who(request.lane):
        if not hierarchy.may_speak(sender, name):
            path = hierarchy.path(sender, name)
            hint = f"ask {path[1]}: {' → '.join(path)}" if path else "no way leads there"
            raise Refused(
                f"{sender} does not speak with {name}", hint=hint, path=list(path), to=name
            )
