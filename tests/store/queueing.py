"""A queue on a database, as the dispatcher uses it, with a rule that knows no agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sutazai.fleet.work import Attempt, TaskRequest, WorkState
from sutazai.store import Database, Intake, TaskChanges, Tasks, Turns
from sutazai.store.task_rows import NewTask
from sutazai.store.turns import Candidate, Claim, Claiming, Ended, Turned
from sutazai.tasks.queue.admission import Admission
from sutazai.tasks.queue.rank import rank


class Anybody:
    """Each lane has as much room as is said, else none at all."""

    def __init__(self, **room: int) -> None:
        self._room = room

    def closed(self, running: Mapping[str, int]) -> set[str]:
        return set()

    def assign(
        self, candidates: Sequence[Candidate], running: Mapping[str, int]
    ) -> list[tuple[Candidate, str]]:
        left = {name: room - running.get(name, 0) for name, room in self._room.items()}
        assigned = []
        for candidate in candidates:
            name = candidate.lane.partition(":")[2]
            if left.get(name, 0) > 0:
                left[name] -= 1
                assigned.append((candidate, name))
        return assigned


@dataclass
class Queue:
    """Everything that changes the task table."""

    database: Database
    rule: Admission = field(default_factory=lambda: Admission(1000))
    routing: Anybody = field(default_factory=lambda: Anybody(planner=100, executor=100))

    def __post_init__(self) -> None:
        self.tasks, self.turns = Tasks(self.database), Turns(self.database)
        self.changes = TaskChanges(self.database)
        self.intake = Intake(self.database, self.rule)

    async def add(self, task_id: str, at: float = 1.0, *, ready: float = 0.0, **wish: Any) -> str:
        request = TaskRequest.model_validate({"agent": "planner", "input": 1, "ttl": None, **wish})
        ready = max(at, ready)
        new = NewTask(task_id, request, rank(request.priority, ready), at, ready)
        return (await self.intake.take([new])).tasks[0].id

    async def turn(
        self, *ended: Ended, now: float, slots: int = 10, limit: int = 100, by: str = "me"
    ) -> Turned:
        return await self.turns.turn(ended, Claiming(by, self.routing, slots, limit), now)

    async def state(self, task_id: str) -> WorkState:
        task = await self.tasks.get(task_id)
        assert task is not None
        return task.state


def done(claim: Claim, at: float, output: Any = None) -> Ended:
    return Ended(claim.id, claim.fence, attempt_of(claim, at), WorkState.DONE, output=output)


def failed(claim: Claim, at: float) -> Ended:
    error = {"code": "AgentFailed", "message": "no"}
    return Ended(
        claim.id, claim.fence, attempt_of(claim, at), WorkState.FAILED, reason="no", error=error
    )


def attempt_of(claim: Claim, ended: float) -> Attempt:
    return Attempt(
        number=claim.attempt,
        agent=claim.agent,
        executor=claim.executor,
        started=claim.begun,
        ended=ended,
    )
