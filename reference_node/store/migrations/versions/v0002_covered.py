"""What of a ceiling was owed to its consumer, and indexes over what balances are summed up from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column: the allowance gave everything before."""
    op.add_column("receipts", sa.Column("covered", sa.Integer, nullable=False, server_default=sa.text("0")))
    earned, drawn = sa.text("role = 'consumer'"), sa.text("covered > 0")
    op.create_index("receipts_earned", "receipts", ["network", "provider", "state", "claim"], sqlite_where=earned)
    columns = ["network", "consumer", "state", "claim", "covered"]
    op.create_index("receipts_drawn", "receipts", columns, sqlite_where=drawn)
