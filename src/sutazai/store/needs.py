"""What becomes of tasks that wait for others, once those end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.errors import TaskLost
from sutazai.fleet.work import WorkState
from sutazai.store.models import NeedRow, TaskRow

AT_ONCE = 500
"""Ids in one query: databases bound the number of parameters."""


def settle(session: Session, ended: Sequence[tuple[str, WorkState]], now: float) -> list[str]:
    """Lets go on what waited for tasks that are done, fails what waited for others; the ids of all
    that ended because of it."""
    lost: list[str] = []
    wave = list(ended)
    while wave:
        states = dict(wave)
        following = [
            (task, needed)
            for part in parts([*states])
            for task, needed in session.execute(FOLLOWING, {"ids": part})
        ]
        wave = []
        for task, needed in following:
            if states[needed] is WorkState.DONE:
                _met(session, task, now)
            elif _failed(session, task, needed, states[needed], now):
                wave.append((task, WorkState.FAILED))
        lost += [task for task, _ in wave]
    return lost


NEEDS = cast(Table, NeedRow.__table__)
FOLLOWING = select(NEEDS.c.task, NEEDS.c.needed).where(
    NEEDS.c.needed.in_(bindparam("ids", expanding=True))
)


def promote(session: Session, now: float, *conditions: Any) -> None:
    """Lets tasks whose time has come into the queue, where they live for their time to live."""
    session.execute(
        update(TaskRow)
        .where(
            TaskRow.state == WorkState.WAITING, TaskRow.needs == 0, TaskRow.ready <= now,
            *conditions,
        )
        .values(state=WorkState.PENDING, reason="", expires=now + TaskRow.ttl)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """``ids`` in pieces that a query takes."""
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _met(session: Session, task: str, now: float) -> None:
    session.execute(
        update(TaskRow)
        .where(TaskRow.id == task, TaskRow.state == WorkState.WAITING)
        .values(needs=TaskRow.needs - 1)
    )
    promote(session, now, TaskRow.id == task)


def _failed(session: Session, task: str, needed: str, state: WorkState, now: float) -> bool:
    message = f"it depends on {needed}, which {STATES[state]}"
    error = TaskLost(message, hint=f"sutazai tasks show {needed}", needed=needed).as_dict()
    query = (
        update(TaskRow)
        .where(TaskRow.id == task, TaskRow.state == WorkState.WAITING)
        .values(state=WorkState.FAILED, ended=now, reason=message, error=error)
        .returning(TaskRow.id)
    )
    return session.scalar(query) is not None


STATES = {
    WorkState.FAILED: "failed",
    WorkState.CANCELLED: "was cancelled",
    WorkState.EXPIRED: "expired",
    WorkState.SHED: "was shed",
}
