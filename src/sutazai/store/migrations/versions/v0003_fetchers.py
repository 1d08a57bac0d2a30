"""Agents that fetch their tasks register, and give heartbeats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53)


def upgrade() -> None:
    op.create_table(
        "fetchers",
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("beat", TIME, nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("agent", name=op.f("pk_fetchers")),
    )


def downgrade() -> None:
    op.drop_table("fetchers")
