"""Receipts, sequence numbers and proofs of fraud."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "receipts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("network", sa.LargeBinary, nullable=False),
        sa.Column("consumer", sa.LargeBinary, nullable=False),
        sa.Column("provider", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("open_hash", sa.LargeBinary, nullable=False),
        sa.Column("ceiling", sa.Integer, nullable=False),
        sa.Column("claim", sa.Integer, nullable=False),
        sa.Column("expires", sa.Integer, nullable=False),
        sa.Column("quote", sa.LargeBinary, nullable=False),
        sa.Column("quote_signature", sa.LargeBinary, nullable=False),
        sa.Column("open", sa.LargeBinary, nullable=False),
        sa.Column("open_signature", sa.LargeBinary, nullable=False),
        sa.Column("ticks", sa.Integer, nullable=False),
        sa.Column("link", sa.LargeBinary, nullable=False),
        sa.Column("close", sa.LargeBinary),
        sa.Column("close_signature", sa.LargeBinary),
        sa.Column("countersignature", sa.LargeBinary),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.UniqueConstraint("role", "network", "provider", "consumer", "sequence", name="receipts_identity"),
    )
    op.create_index("receipts_created", "receipts", ["role", "created"])
    op.create_index("receipts_open", "receipts", ["open_hash"])
    op.create_table(
        "sequences",
        sa.Column("network", sa.LargeBinary, primary_key=True),
        sa.Column("provider", sa.LargeBinary, primary_key=True),
        sa.Column("next", sa.Integer, nullable=False),
    )
    op.create_table(
        "frauds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("network", sa.LargeBinary, nullable=False),
        sa.Column("consumer", sa.LargeBinary, nullable=False),
        sa.Column("provider", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("first", sa.LargeBinary, nullable=False),
        sa.Column("first_signature", sa.LargeBinary, nullable=False),
        sa.Column("second", sa.LargeBinary, nullable=False),
        sa.Column("second_signature", sa.LargeBinary, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
        sa.UniqueConstraint("network", "consumer", "provider", "sequence", name="frauds_identity"),
    )
