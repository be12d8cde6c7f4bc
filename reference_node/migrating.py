"""One upgrade of a database at a time in this process: Alembic keeps what it works on in global variables."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

_UPGRADING = threading.Lock()


def upgrade(config: Config, revision: str) -> None:
    """Bring the database of ``config`` to ``revision``."""
    from alembic import command  # late: a database that is up to date opens without it

    with _UPGRADING:
        command.upgrade(config, revision)
