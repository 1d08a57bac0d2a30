"""Runs of declared workflows have an input, and the workflow as it was declared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = ("input", "declared")


def upgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        for name in COLUMNS:
            runs.add_column(sa.Column(name, sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        for name in COLUMNS:
            runs.drop_column(name)
