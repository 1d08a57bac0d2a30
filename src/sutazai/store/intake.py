"""Takes tasks into the queue, which is bounded: all that come together, or none of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import BadInput, Conflict, SutazaiError
from sutazai.fleet.work import OPEN, Task, TaskRequest, WorkState
from sutazai.store.database import Database
from sutazai.store.models import NeedRow, TaskRow
from sutazai.store.needs import settle
from sutazai.store.sharing import lock_queue
from sutazai.store.task_rows import NewTask, new_row, same_work, task_of
from sutazai.store.tasks import TASKS

INSERTION = insert(TASKS)
COUNT = select(func.count()).select_from(TASKS).where(TASKS.c.state.in_(OPEN))
COUNT_BY_LANE = (
    select(TASKS.c.lane, func.count()).where(TASKS.c.state.in_(OPEN)).group_by(TASKS.c.lane)
)


@dataclass(frozen=True)
class Load:
    """How full the queue is: open tasks in all and by lane, and the priority of the one that would
    be done last. What the rule does not ask for is left out."""

    total: int
    lanes: Mapping[str, int]
    last: Priority | None = None


@dataclass(frozen=True)
class Room:
    """How a new task gets in: as ``request``, in the place of the last one where that is shed."""

    request: TaskRequest
    sheds: bool = False


class Rule(Protocol):
    """Decides how a task gets in, and says what it must know for it."""

    @property
    def by_lane(self) -> bool: ...

    @property
    def by_last(self) -> bool: ...

    def admit(self, request: TaskRequest, load: Load) -> Room:
        """Raises QueueFull."""
        ...


@dataclass(frozen=True)
class Taken:
    """What came of an intake: the tasks, in order, and which others ended because of them."""

    tasks: tuple[Task, ...]
    ended: tuple[Task, ...] = ()


class Intake:
    """Where tasks come in. Those who ask at the same time share one transaction."""

    def __init__(self, database: Database, rule: Rule) -> None:
        self._database = database
        self._rule = rule
        self._waiting: list[_Group] = []
        self._taking: asyncio.Task[None] | None = None

    async def take(self, items: Sequence[NewTask]) -> Taken:
        """Stores new tasks; for a known idempotency key, or a copy, the task that is there.

        What an item depends on stands before it. Raises BadInput, Conflict or QueueFull, and
        nothing of it was stored then.
        """
        group = _Group(items, asyncio.get_running_loop().create_future())
        self._waiting.append(group)
        if self._taking is None:
            self._taking = asyncio.create_task(self._take_all(), name="take tasks in")
        return await group.taken

    async def _take_all(self) -> None:
        while self._waiting:
            groups, self._waiting = self._waiting, []
            try:
                answers = await self._database.write(partial(self._take_groups, groups))
            except Exception as error:  # noqa: BLE001 (those who asked have to hear of any)
                answers = [error for _ in groups]
            for group, answer in zip(groups, answers, strict=True):
                group.answer(answer)
        self._taking = None

    def _take_groups(
        self, groups: Sequence[_Group], session: Session
    ) -> Sequence[Taken | Exception]:
        lock_queue(session)
        if len(groups) == 1:  # what it raises undoes the whole transaction
            return [self._take_group(session, groups[0].items)]
        return [self._take_beside(session, group.items) for group in groups]

    def _take_beside(self, session: Session, items: Sequence[NewTask]) -> Taken | Exception:
        """One of several, so what it raises must not undo what the others did."""
        try:
            with session.begin_nested():
                return self._take_group(session, items)
        except SutazaiError as error:
            return error

    def _take_group(self, session: Session, items: Sequence[NewTask]) -> Taken:
        taking = _Taking(session, self._rule)
        tasks = tuple(taking.take(item) for item in items)
        return Taken(tasks, tuple(taking.ended()))


@dataclass(frozen=True)
class _Group:
    """What comes in together, and who waits for it."""

    items: Sequence[NewTask]
    taken: asyncio.Future[Taken]

    def answer(self, answer: Taken | Exception) -> None:
        if self.taken.done():
            return  # nobody waits any more
        if isinstance(answer, Taken):
            self.taken.set_result(answer)
        else:
            self.taken.set_exception(answer)


class _Taking:
    """One intake, in its transaction."""

    def __init__(self, session: Session, rule: Rule) -> None:
        self._shed: list[str] = []
        self._lanes: Counter[str] | None = None
        self._session = session
        self._rule = rule

    def take(self, item: NewTask) -> Task:
        if known := self._known(item):
            return task_of(known)
        room = self._rule.admit(item.request, self._load())
        if room.sheds:
            self._shed_last(item)
        self._count(room.request.lane)
        needed = dict(map(self._needed, item.request.depends_on))
        waits = sum(state is not WorkState.DONE for state in needed.values())
        row = new_row(replace(item, request=room.request), waits)
        self._session.execute(INSERTION, row)
        if needed:
            rows = [{"task": item.id, "needed": task} for task in needed]
            self._session.execute(insert(NeedRow), rows)
        return task_of(TaskRow(**row), tuple(sorted(needed)))

    def ended(self) -> list[Task]:
        """What was shed, and what had waited for it."""
        if not self._shed:
            return []
        query = select(TaskRow).where(TaskRow.id.in_(self._shed))
        return [*map(task_of, self._session.scalars(query))]

    def _known(self, item: NewTask) -> TaskRow | None:
        key, request = item.request.idempotency_key, item.request
        if key is not None:
            row = self._session.scalar(select(TaskRow).where(TaskRow.idempotency_key == key))
            if row is not None and not same_work(row, request):
                raise Conflict(
                    f"idempotency key {key!r} belongs to another task",
                    hint="use a key of its own for each piece of work",
                    task=row.id,
                )
            return row
        if item.digest is None:
            return None
        query = select(TaskRow).where(TaskRow.digest == item.digest, TaskRow.state.in_(OPEN))
        return self._session.scalars(query).first()

    def _load(self) -> Load:
        """Counted once, and then kept up to date."""
        if self._lanes is None:
            self._lanes = self._counted()
        last = self._session.scalar(_last(TaskRow.priority)) if self._rule.by_last else None
        return Load(sum(self._lanes.values()), self._lanes, Priority(last) if last else None)

    def _counted(self) -> Counter[str]:
        if not self._rule.by_lane:
            return Counter({"": self._session.scalar(COUNT) or 0})
        return Counter({row[0]: row[1] for row in self._session.execute(COUNT_BY_LANE)})

    def _count(self, lane: str) -> None:
        if self._lanes is not None:
            self._lanes[lane if self._rule.by_lane else ""] += 1

    def _needed(self, name: str) -> tuple[str, WorkState]:
        """A task that another one depends on, by its id or its key."""
        query = select(TaskRow.id, TaskRow.state).where(
            (TaskRow.id == name) | (TaskRow.idempotency_key == name)
        )
        found = self._session.execute(query).first()
        if found is None:
            raise BadInput(
                f"`depends_on` names {name!r}, and there is no such task",
                hint="name tasks by id or idempotency key; those of a batch may name each other",
            )
        state = WorkState(found[1])
        if not state.is_open and state is not WorkState.DONE:
            raise Conflict(
                f"`depends_on` names {found[0]}, which ended already: {state}",
                hint=f"sutazai tasks retry {found[0]}",
            )
        return found[0], state

    def _shed_last(self, item: NewTask) -> None:
        query = (
            update(TaskRow)
            .where(TaskRow.id == _last(TaskRow.id).scalar_subquery())
            .values(
                state=WorkState.SHED,
                ended=item.created,
                reason=f"the queue was full, and {item.id} is more urgent",
                fence=TaskRow.fence + 1,
            )
            .returning(TaskRow.id)
        )
        shed = [(task, WorkState.SHED) for task in self._session.scalars(query)]
        self._shed += [task for task, _ in shed]
        self._lanes = None  # counted anew for the next one
        self._shed += settle(self._session, shed, item.created)


def _last(column: InstrumentedAttribute[Any]) -> Select[tuple[Any]]:
    """A column of the task that would be done last."""
    waits = TaskRow.state.in_((WorkState.PENDING, WorkState.WAITING))
    return select(column).where(waits).order_by(TaskRow.rank.desc()).limit(1)
