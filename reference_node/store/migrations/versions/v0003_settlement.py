"""What settlement nodes were asked and have said, and an index over what is due there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns: nothing was settled anywhere before."""
    op.add_column("receipts", sa.Column("settlement", sa.String, nullable=False, server_default=sa.text("''")))
    op.add_column("receipts", sa.Column("booked", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.create_index("receipts_due", "receipts", ["network", "created"], sqlite_where=sa.text("settlement = 'due'"))
