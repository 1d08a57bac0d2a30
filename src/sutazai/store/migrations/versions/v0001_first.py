"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53)


def upgrade() -> None:
    _create_fleet()
    _create_events()
    _create_tasks()
    _create_runs()


def downgrade() -> None:
    for table in ("runs", "tasks", "tails", "events", "stops", "policies", "agents", "revisions"):
        op.drop_table(table)


def _create_fleet() -> None:
    op.create_table(
        "revisions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fleet", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "agents",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision"],
            ["revisions.number"],
            name=op.f("fk_agents_revision"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("revision", "name", name=op.f("pk_agents")),
    )
    op.create_table(
        "policies",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_policies")),
    )
    op.create_table(
        "stops",
        sa.Column("unit", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("unit", name=op.f("pk_stops")),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(64), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sqlite_autoincrement=True,  # a retired event's number is never given again
    )
    op.create_index(op.f("ix_events_unit_sequence"), "events", ["unit", "sequence"])
    op.create_table(
        "tails",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_tails")),
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("priority", sa.String(16), nullable=True),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("idempotency_key", sa.String(256), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("started", TIME, nullable=True),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("output", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("run", sa.String(64), nullable=True),
        sa.Column("step", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_tasks_idempotency_key")),
    )
    op.create_index(op.f("ix_tasks_agent_created"), "tasks", ["agent", "created"])
    op.create_index(op.f("ix_tasks_state_created"), "tasks", ["state", "created"])


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("workflow", sa.String(64), nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("backlog", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("artifacts", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_state_created"), "runs", ["state", "created"])
