"""Alembic's entry: it migrates on the connection that `reference_node.ledger.upgrade` hands it, in its transaction.

A new revision is a module in ``versions``; name it in `reference_node.ledger.upgrade.HEAD`.
"""

from __future__ import annotations

from alembic import context

from reference_node.ledger.schema import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"], target_metadata=metadata, version_table=attributes["version_table"]
)
context.run_migrations()
