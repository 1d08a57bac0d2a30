"""Revisions know the code they were accepted with; rollouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53)


def upgrade() -> None:
    op.add_column("revisions", sa.Column("codes", sa.JSON(), nullable=True))
    op.add_column("revisions", sa.Column("file", sa.Text(), nullable=True))
    op.create_table(
        "rollouts",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun", TIME, nullable=False),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rollouts")),
    )


def downgrade() -> None:
    op.drop_table("rollouts")
    op.drop_column("revisions", "file")
    op.drop_column("revisions", "codes")
