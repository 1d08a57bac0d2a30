"""Tasks get a queue: targets, ranks, attempts, what they wait for, and who does them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53)

INDEXES = (
    ("state", "rank", "lane"),
    ("state", "agent"),
    ("state", "ready"),
    ("state", "expires"),
    ("state", "ended"),
    ("digest",),
    ("run",),
)


def upgrade() -> None:
    _widen_tasks()
    _fill_tasks()
    for columns in INDEXES:
        op.create_index(op.f(f"ix_tasks_{'_'.join(columns)}"), "tasks", [*columns])
    _create_needs()
    _create_executors()


def downgrade() -> None:
    op.drop_table("executors")
    op.drop_table("needs")
    for columns in INDEXES:
        op.drop_index(op.f(f"ix_tasks_{'_'.join(columns)}"), "tasks")
    with op.batch_alter_table("tasks") as tasks:
        for column in _new_columns():
            tasks.drop_column(column.name)


def _new_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("capability", sa.String(64), nullable=True),
        sa.Column("group", sa.String(256), nullable=True),
        sa.Column("lane", sa.String(300), nullable=False, server_default=""),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("rank", TIME, nullable=False, server_default="0"),
        sa.Column("ttl", TIME, nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("backoff", TIME, nullable=False, server_default="1"),
        sa.Column("digest", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("ready", TIME, nullable=False, server_default="0"),
        sa.Column("expires", TIME, nullable=True),
        sa.Column("needs", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("executor", sa.String(64), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("begun", TIME, nullable=True),
        sa.Column("attempts", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("pardoned", sa.Integer(), nullable=False, server_default="0"),
    ]


def _widen_tasks() -> None:
    with op.batch_alter_table("tasks") as tasks:
        for column in _new_columns():
            tasks.add_column(column)
        tasks.alter_column("agent", existing_type=sa.String(64), nullable=True)
        tasks.alter_column("run", existing_type=sa.String(64), type_=sa.String(200))


def _fill_tasks() -> None:
    """What ran is asked again: nobody is left to finish it."""
    tasks = sa.table(
        "tasks", *(sa.column(name) for name in ("agent", "lane", "rank", "created", "state"))
    )
    lane = sa.literal("agent:", sa.Text()) + tasks.c.agent
    op.execute(tasks.update().values(lane=lane, rank=tasks.c.created))
    op.execute(tasks.update().where(tasks.c.state == "running").values(state="pending"))


def _create_needs() -> None:
    op.create_table(
        "needs",
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("needed", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["task"], ["tasks.id"], name=op.f("fk_needs_task"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task", "needed", name=op.f("pk_needs")),
    )
    op.create_index(op.f("ix_needs_needed"), "needs", ["needed"])


def _create_executors() -> None:
    op.create_table(
        "executors",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("beat", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executors")),
    )
