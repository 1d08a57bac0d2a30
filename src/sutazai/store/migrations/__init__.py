"""Alembic's scripts; ``sutazai.store.migrate`` runs them."""
