"""What several processes on one database need: a lock for changes of the queue, a bell, one clock.

With SQLite there is one process and one writer, so all of it comes by itself.
"""

from __future__ import annotations

import time

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from sutazai.fleet.ids import new_tag

QUEUE_LOCK = 7_210_002
ORIGIN = new_tag()
"""What this process signs its rings with, so that it does not wake itself by them."""
CHANNEL = "sutazai_tasks"
"""What Postgres calls the bell that rings when the queue changed."""


def is_shared(session: Session) -> bool:
    """Whether other processes may work with this database."""
    return session.get_bind().dialect.name == "postgresql"


LOCK = func.pg_advisory_xact_lock(QUEUE_LOCK)
RING = func.pg_notify(CHANNEL, ORIGIN)
LOCKING, RINGING, BOTH = select(LOCK), select(RING), select(LOCK, RING)


def lock_queue(session: Session, *, rings: bool = True) -> None:
    """Nobody else changes the queue until this transaction ends, so that bounds hold. Where it
    ``rings``, every other process is told then that the queue changed."""
    if is_shared(session):
        session.execute(BOTH if rings else LOCKING)


def ring(session: Session) -> None:
    """Tells every other process, once this transaction is committed, that the queue changed."""
    if is_shared(session):
        session.execute(RINGING)


def clock(session: Session) -> float:
    """Seconds since 1970 on the one clock that all processes share."""
    if is_shared(session):
        return float(session.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()
