"""Alembic's entry point: runs the migrations on the connection that `schema.upgrade_schema` hands over."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
