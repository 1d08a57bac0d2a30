"""The tables. Types are portable between SQLite and Postgres; times are float unix seconds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names of ours, so that a later migration can speak of them on any database."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {float: Float(53), dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class RevisionRow(Base):
    """One accepted version of the fleet; ``spec`` is its canonical JSON, ``codes`` the digests of
    its agents' code, ``file`` where it was read."""

    __tablename__ = "revisions"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fleet: Mapped[str] = mapped_column(String(64))
    spec: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(128))
    at: Mapped[float]
    reason: Mapped[str] = mapped_column(Text)
    codes: Mapped[dict[str, Any] | None]
    file: Mapped[str | None] = mapped_column(Text)


class AgentRow(Base):
    """One agent as one revision declares it."""

    __tablename__ = "agents"

    revision: Mapped[int] = mapped_column(
        ForeignKey("revisions.number", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    spec: Mapped[dict[str, Any]]


class EventRow(Base):
    """Something that happened. ``sequence`` is the order in which control learned of it."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "unit", "sequence"), {"sqlite_autoincrement": True})

    sequence: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    source: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64))
    unit: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]


class TailRow(Base):
    """How far the events of another process were read."""

    __tablename__ = "tails"

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int]


class TaskRow(Base):
    """One durable task.

    ``lane`` says who may do it, ``agent`` who was asked for or who got it. ``rank`` orders the
    queue, the lowest first. ``ready`` is when it may be done, ``expires`` when it leaves the queue.
    ``needs`` counts the tasks that it still waits for. ``attempt`` is the number of the last
    attempt, ``begun`` when that began, ``attempts`` the ones that ended, of which those up to
    ``pardoned`` count no more. ``fence`` grows whenever the task changes hands.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index(None, "state", "created"),
        Index(None, "agent", "created"),
        Index(None, "state", "rank", "lane"),
        Index(None, "state", "agent"),
        Index(None, "state", "ready"),
        Index(None, "state", "expires"),
        Index(None, "state", "ended"),
        Index(None, "digest"),
        Index(None, "run"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    agent: Mapped[str | None] = mapped_column(String(64))
    capability: Mapped[str | None] = mapped_column(String(64))
    group: Mapped[str | None] = mapped_column(String(256))
    lane: Mapped[str] = mapped_column(String(300))
    input: Mapped[Any] = mapped_column(JSON)
    file: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[str | None] = mapped_column(String(16))
    rank: Mapped[float]
    deadline: Mapped[float]
    ttl: Mapped[float | None]
    retries: Mapped[int]
    backoff: Mapped[float]
    idempotency_key: Mapped[str | None] = mapped_column(String(256), unique=True)
    digest: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    created: Mapped[float]
    ready: Mapped[float]
    expires: Mapped[float | None]
    needs: Mapped[int]
    started: Mapped[float | None]
    ended: Mapped[float | None]
    executor: Mapped[str | None] = mapped_column(String(64))
    fence: Mapped[int]
    attempt: Mapped[int]
    begun: Mapped[float | None]
    attempts: Mapped[list[Any]]
    pardoned: Mapped[int]
    output: Mapped[Any] = mapped_column(JSON, nullable=True)
    error: Mapped[dict[str, Any] | None]
    run: Mapped[str | None] = mapped_column(String(200))
    step: Mapped[str | None] = mapped_column(String(64))


class NeedRow(Base):
    """A task that cannot begin before another one is done."""

    __tablename__ = "needs"
    __table_args__ = (Index(None, "needed"),)

    task: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    needed: Mapped[str] = mapped_column(String(64), primary_key=True)


class ExecutorRow(Base):
    """A process that does tasks, in one of its lives. ``beat`` is when it last said that it lives,
    by the database's clock."""

    __tablename__ = "executors"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    since: Mapped[float]
    beat: Mapped[float]


class FetcherRow(Base):
    """An agent that fetches its tasks and has registered; ``said`` is what it said of itself."""

    __tablename__ = "fetchers"

    agent: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[float]
    beat: Mapped[float]
    said: Mapped[dict[str, Any]]


class RunRow(Base):
    """One run of a workflow; its steps and artifacts are few and always read together."""

    __tablename__ = "runs"
    __table_args__ = (Index(None, "state", "created"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    workflow: Mapped[str] = mapped_column(String(64))
    goal: Mapped[str] = mapped_column(Text)
    backlog: Mapped[list[Any]]
    input: Mapped[Any] = mapped_column(JSON, nullable=True)
    declared: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(String(16))
    created: Mapped[float]
    ended: Mapped[float | None]
    steps: Mapped[list[Any]]
    artifacts: Mapped[list[Any]]
    notes: Mapped[list[Any]]
    error: Mapped[dict[str, Any] | None]


class ScheduleRow(Base):
    """What is remembered of one schedule; see `fleet.scheduling.ScheduleState`."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(Text)
    decided: Mapped[float]
    due: Mapped[list[Any]]
    work: Mapped[list[Any]]
    fired: Mapped[float | None]
    paused: Mapped[float | None]
    last: Mapped[str] = mapped_column(Text)


class RolloutRow(Base):
    """One rollout from a revision ``before`` to one ``after``; ``state`` is the machine's."""

    __tablename__ = "rollouts"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    before: Mapped[int]
    after: Mapped[int]
    author: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)
    begun: Mapped[float]
    ended: Mapped[float | None]
    state: Mapped[dict[str, Any]]


class PolicyRow(Base):
    """The number of the last snapshot of a kind that was pushed, and its digest."""

    __tablename__ = "policies"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))


class StopRow(Base):
    """A unit that somebody stopped; it stays stopped until somebody starts it."""

    __tablename__ = "stops"

    unit: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[float]
