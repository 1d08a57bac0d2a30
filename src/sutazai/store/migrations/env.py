"""Alembic's environment: works on the connection that it is given, in its transaction."""

from __future__ import annotations

from alembic import context

from sutazai.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can alter a table only by copying it
)
context.run_migrations()
