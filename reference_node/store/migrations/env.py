"""Alembic's entry: it migrates on the connection that `reference_node.store.database` hands it, in its transaction.

A new revision is a module in ``versions``; name it in `reference_node.store.database.HEAD`.
"""

from __future__ import annotations

from alembic import context

from reference_node.store.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
