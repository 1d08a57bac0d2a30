"""One turn of the queue, in one transaction: what ended is written, what is due goes on, what is
next is claimed. However much ends and begins at once, it costs one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.errors import DeadlineExceeded
from sutazai.fleet.work import Attempt, Task, WorkState
from sutazai.store.database import Database
from sutazai.store.models import TaskRow
from sutazai.store.needs import parts, promote, settle
from sutazai.store.sharing import is_shared, lock_queue, ring
from sutazai.store.task_rows import task_of
from sutazai.store.tasks import TASKS

Record = Row[*tuple[Any, ...]]
EXPIRED_HINT = "give it a longer `ttl`, or more agents that can do it"
ATTEMPTS_KEPT = 20
"""How many ended attempts a task shows; those before them are forgotten."""


@dataclass(frozen=True)
class Candidate:
    """A task in the queue; ``before`` is the agent that did the last task of its run."""

    id: str
    lane: str
    before: str | None = None


class Routing(Protocol):
    """Decides who gets what."""

    def closed(self, running: Mapping[str, int]) -> set[str]:
        """Lanes that nobody can take from now."""
        ...

    def assign(
        self, candidates: Sequence[Candidate], running: Mapping[str, int]
    ) -> list[tuple[Candidate, str]]:
        """Agents for as many of ``candidates``, in their order, as can be taken now."""
        ...


@dataclass(frozen=True)
class Claiming:
    """Who claims, by which rule: ``slots`` for itself, and ``limit`` running ones in all. Where
    ``lanes`` are given, from these only."""

    executor: str
    routing: Routing
    slots: int
    limit: int
    lanes: Collection[str] | None = None


@dataclass(frozen=True)
class Claim:
    """A task that is to be done by one attempt. ``earlier`` are the attempts that count."""

    id: str
    fence: int
    attempt: int
    agent: str
    input: Any
    file: str | None
    priority: str | None
    deadline: float
    retries: int
    backoff: float
    run: str | None
    executor: str
    begun: float
    earlier: tuple[Attempt, ...]

    @property
    def workflow(self) -> str:
        """The id of the workflow that does it: one of its own for each attempt."""
        return f"{self.id}.{self.attempt}"


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. Without ``state`` the task goes back into the queue at ``ready``.

    It counts only while the task's fence is ``fence``.
    """

    id: str
    fence: int
    attempt: Attempt | None
    state: WorkState | None = None
    ready: float = 0.0
    reason: str = ""
    output: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Turned:
    """What came of a turn.

    ``ended`` are the tasks that ended for good in it, ``dead`` those among them that did not end
    well; ``claims`` is what is to be done now, ``due`` when time alone changes something next.
    ``mine`` are the tasks that run here by the table, None where nobody else can change it.
    """

    claims: tuple[Claim, ...] = ()
    ended: tuple[str, ...] = ()
    dead: tuple[Task, ...] = ()
    due: float | None = None
    mine: frozenset[str] | None = None


class Turns:
    """The queue's motion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turn(self, ended: Sequence[Ended], claiming: Claiming, now: float) -> Turned:
        """Ends, expires, promotes and claims. Raises Unavailable, and nothing happened then."""
        return await self._database.write(lambda session: _turn(session, ended, claiming, now))

    async def running(self, executor: str) -> list[Claim]:
        """What an executor works on, by the table."""
        return await self._database.read(lambda session: _running(session, executor))

    async def executors(self) -> set[str]:
        """Who works on anything, by the table; without agents that fetched it themselves."""
        working = TASKS.c.state == WorkState.RUNNING, ~TASKS.c.executor.startswith("@")
        query = select(TASKS.c.executor).where(*working).distinct()
        return await self._database.read(lambda session: set(session.scalars(query)))


def _turn(session: Session, ended: Sequence[Ended], claiming: Claiming, now: float) -> Turned:
    lock_queue(session, rings=bool(ended))
    over = _end(session, ended, now)
    if over:
        over += [(task, WorkState.FAILED) for task in settle(session, over, now)]
    ahead = _ahead(session)
    if ahead.due is not None and ahead.due <= now:
        over += _pass_time(session, now)
        ahead = _ahead(session)
    shared = is_shared(session)
    working = session.execute(WORKING).all() if shared or ahead.pending else []
    running = Counter(row.agent for row in working)
    claims = _claim_next(session, claiming, running, now) if ahead.pending else []
    if over and not ended:
        ring(session)
    mine = {row.id for row in working if row.executor == claiming.executor}
    return Turned(
        claims=tuple(claims),
        ended=tuple(task for task, _ in over),
        dead=tuple(_tasks(session, [task for task, state in over if state.is_dead])),
        due=ahead.due,
        mine=frozenset(mine.union(claim.id for claim in claims)) if shared else None,
    )


# what ended


def _end(session: Session, ended: Sequence[Ended], now: float) -> list[tuple[str, WorkState]]:
    """Writes down how attempts ended; the tasks that ended with them, and in which state."""
    wanted = {each.id: each for each in ended}
    rows = [
        row
        for part in parts([*wanted])
        for row in session.execute(STANDING, {"ids": part})
        if row.fence == wanted[row.id].fence
    ]
    if rows:
        session.execute(ENDING, [_end_values(row, wanted[row.id], now) for row in rows])
    states = ((row.id, wanted[row.id].state) for row in rows)
    return [(task, state) for task, state in states if state is not None]


def _end_values(row: Record, ended: Ended, now: float) -> dict[str, Any]:
    attempts = [*row.attempts]
    if ended.attempt is not None:
        attempts.append(ended.attempt.model_dump(mode="json"))
    waits = ended.state is None and ended.ready > now
    again = WorkState.WAITING if waits else WorkState.PENDING
    # Another agent may do better next time, where the task is not for this one alone.
    agent = row.agent if ended.state or row.lane.startswith("agent:") else None
    return {
        "task": row.id,
        "state": ended.state or again,
        "agent": agent,
        "reason": ended.reason,
        "attempts": attempts[-ATTEMPTS_KEPT:],
        "ready": max(ended.ready, row.ready),
        "expires": now + row.ttl if again is WorkState.PENDING and row.ttl is not None else None,
        "ended": now if ended.state else None,
        "output": ended.output,
        "error": ended.error,
    }


# what time brings


@dataclass(frozen=True)
class _Ahead:
    due: float | None
    pending: bool


def _ahead(session: Session) -> _Ahead:
    ready, expires, pending = session.execute(AHEAD).one()
    due = min((time for time in (ready, expires) if time is not None), default=None)
    return _Ahead(due, pending is not None)


def _pass_time(session: Session, now: float) -> list[tuple[str, WorkState]]:
    """Expires and promotes; what ended by it."""
    late = DeadlineExceeded("nobody took it within its time to live", hint=EXPIRED_HINT)
    query = (
        update(TASKS)
        .where(TASKS.c.state == WorkState.PENDING, TASKS.c.expires <= now)
        .values(state=WorkState.EXPIRED, ended=now, reason=late.message, error=late.as_dict())
        .returning(TASKS.c.id)
    )
    over = [(task, WorkState.EXPIRED) for task in session.scalars(query)]
    promote(session, now)
    return over + [(task, WorkState.FAILED) for task in settle(session, over, now)]


# what begins


def _claim_next(
    session: Session, claiming: Claiming, running: Counter[str], now: float
) -> list[Claim]:
    slots = min(claiming.slots, claiming.limit - running.total())
    closed = claiming.routing.closed(running)
    taken: list[tuple[Record, str]] = []
    more = True
    while more and slots > 0:
        rows = _next(session, claiming, closed, taken, slots)
        more = len(rows) == slots
        candidates = {row.id: Candidate(row.id, row.lane, _before(session, row)) for row in rows}
        assigned = claiming.routing.assign([*candidates.values()], running)
        agents = {candidate.id: agent for candidate, agent in assigned}
        for agent in agents.values():
            running[agent] += 1
        taken += [(row, agents[row.id]) for row in rows if row.id in agents]
        slots -= len(assigned)
        closed |= {row.lane for row in rows if row.id not in agents}
    if taken:
        values = [{"task": row.id, "agent": agent} for row, agent in taken]
        common = {"executor": claiming.executor, "begun": now}
        session.execute(TAKING, [{**each, **common} for each in values])
    return [_claim(row, claiming.executor, agent, now) for row, agent in taken]


def _next(
    session: Session,
    claiming: Claiming,
    closed: set[str],
    taken: Sequence[tuple[Record, str]],
    limit: int,
) -> Sequence[Record]:
    query = WAITING_NEXT
    if claiming.lanes is not None:
        query = query.where(TASKS.c.lane.in_(claiming.lanes))
    if closed:
        query = query.where(TASKS.c.lane.not_in(closed))
    if taken:
        query = query.where(TASKS.c.id.not_in({row.id for row, _ in taken}))
    return session.execute(query.limit(limit)).all()


def _before(session: Session, row: Record) -> str | None:
    if row.run is None or row.lane.startswith("agent:"):
        return None
    query = select(TASKS.c.agent).where(TASKS.c.run == row.run, TASKS.c.started.is_not(None))
    return session.scalar(query.order_by(TASKS.c.started.desc()).limit(1))


def _claim(row: Record, executor: str, agent: str, begun: float) -> Claim:
    """A task as it will be worked on, from its row before it was taken."""
    attempts = map(Attempt.model_validate, row.attempts)
    return Claim(
        id=row.id,
        fence=row.fence + 1,
        attempt=row.attempt + 1,
        agent=agent,
        input=row.input,
        file=row.file,
        priority=row.priority,
        deadline=row.deadline,
        retries=row.retries,
        backoff=row.backoff,
        run=row.run,
        executor=executor,
        begun=begun,
        earlier=tuple(attempt for attempt in attempts if attempt.number > row.pardoned),
    )


def _running(session: Session, executor: str) -> list[Claim]:
    query = select(TASKS).where(TASKS.c.state == WorkState.RUNNING, TASKS.c.executor == executor)
    claims = [
        _claim(row, executor, row.agent or "", row.begun or 0.0) for row in session.execute(query)
    ]
    # They were taken already, so the numbers are those that stand there.
    return [replace(claim, fence=claim.fence - 1, attempt=claim.attempt - 1) for claim in claims]


def _tasks(session: Session, ids: Sequence[str]) -> list[Task]:
    found: list[Task] = []
    for part in parts(ids):
        rows = session.scalars(select(TaskRow).where(TaskRow.id.in_(part)))
        found += map(task_of, rows)
    return found


# The statements of every turn, made once: to build one takes longer than to run it.

STANDING = select(
    TASKS.c.id, TASKS.c.fence, TASKS.c.lane, TASKS.c.agent, TASKS.c.ready, TASKS.c.ttl,
    TASKS.c.attempts,
).where(
    TASKS.c.state == WorkState.RUNNING, TASKS.c.id.in_(bindparam("ids", expanding=True))
)  # fmt: skip

ENDING = (
    update(TASKS)
    .where(TASKS.c.id == bindparam("task"))
    .values(
        {name: bindparam(name) for name in (
            "state", "agent", "reason", "attempts", "ready", "expires", "ended", "output", "error",
        )}
        | {"executor": None, "begun": None, "fence": TASKS.c.fence + 1}
    )
)  # fmt: skip

WORKING = select(TASKS.c.id, TASKS.c.agent, TASKS.c.executor).where(
    TASKS.c.state == WorkState.RUNNING
)

AHEAD = select(
    select(func.min(TASKS.c.ready))
    .where(TASKS.c.state == WorkState.WAITING, TASKS.c.needs == 0)
    .scalar_subquery(),
    select(func.min(TASKS.c.expires)).where(TASKS.c.state == WorkState.PENDING).scalar_subquery(),
    select(TASKS.c.id).where(TASKS.c.state == WorkState.PENDING).limit(1).scalar_subquery(),
)

WAITING_NEXT = (
    select(TASKS).where(TASKS.c.state == WorkState.PENDING).order_by(TASKS.c.rank, TASKS.c.id)
)

TAKING = (
    update(TASKS)
    .where(TASKS.c.id == bindparam("task"))
    .values(
        state=WorkState.RUNNING,
        reason="",
        agent=bindparam("agent"),
        executor=bindparam("executor"),
        begun=bindparam("begun"),
        started=func.coalesce(TASKS.c.started, bindparam("begun")),
        expires=None,
        fence=TASKS.c.fence + 1,
        attempt=TASKS.c.attempt + 1,
    )
)
