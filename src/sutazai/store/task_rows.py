"""Between the task table and the shapes of `fleet`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sutazai.fleet.work import Attempt, Task, TaskRequest, WorkState
from sutazai.store.models import TaskRow


@dataclass(frozen=True)
class NewTask:
    """A task that is to be stored.

    Args:
        rank: its place in the queue, the lowest first.
        ready: when it may be done, in seconds since 1970.
        digest: that of its content where an open task of the same is to be taken for it.
    """

    id: str
    request: TaskRequest
    rank: float
    created: float
    ready: float
    digest: str | None = None


def new_row(new: NewTask, needs: int) -> dict[str, Any]:
    """The columns of a new task that waits for ``needs`` others."""
    request = new.request
    waits = needs > 0 or new.ready > new.created
    expires = None if waits or request.ttl is None else new.created + request.ttl
    return {
        "id": new.id,
        "agent": request.agent,
        "capability": request.capability,
        "group": request.group,
        "lane": request.lane,
        "input": request.input,
        "file": request.file,
        "priority": request.priority,
        "rank": new.rank,
        "deadline": request.deadline,
        "ttl": request.ttl,
        "retries": request.retries,
        "backoff": request.backoff,
        "idempotency_key": request.idempotency_key,
        "digest": new.digest,
        "state": WorkState.WAITING if waits else WorkState.PENDING,
        "reason": waiting_reason(needs) if waits else "",
        "created": new.created,
        "ready": new.ready,
        "expires": expires,
        "needs": needs,
        "fence": 0,
        "attempt": 0,
        "attempts": [],
        "pardoned": 0,
        "run": request.run,
    }


def waiting_reason(needs: int) -> str:
    """Why a task is not in the queue yet."""
    if not needs:
        return "its time has not come"
    return f"it waits for {needs} other task{'s' * (needs != 1)}"


def task_of(row: TaskRow, needed: tuple[str, ...] = ()) -> Task:
    """A task as everybody sees it."""
    return Task(
        id=row.id,
        agent=row.agent,
        capability=row.capability,
        group=row.group,
        input=row.input,
        file=row.file,
        state=WorkState(row.state),
        reason=row.reason,
        priority=row.priority,
        created=row.created,
        not_before=row.ready if row.ready > row.created else None,
        expires=row.expires,
        started=row.started,
        ended=row.ended,
        executor=row.executor,
        attempt=row.attempt,
        attempts=(*map(Attempt.model_validate, row.attempts), *_current(row)),
        depends_on=needed,
        output=row.output,
        error=row.error,
        run=row.run,
        step=row.step,
    )


def same_work(row: TaskRow, request: TaskRequest) -> bool:
    """Whether a stored task is what ``request`` asks for."""
    return (row.lane, row.input, row.file) == (request.lane, request.input, request.file)


def _current(row: TaskRow) -> list[Attempt]:
    if row.state != WorkState.RUNNING or row.begun is None:
        return []
    return [
        Attempt(
            number=row.attempt,
            agent=row.agent or "",
            executor=row.executor or "",
            started=row.begun,
        )
    ]
