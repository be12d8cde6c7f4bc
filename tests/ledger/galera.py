"""A real Galera cluster of three nodes on this machine, where Debian's mariadb-server and galera-4 are installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from reference_node.ledger import Place

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NODES = 3
_START_S = 60


def missing() -> str | None:
    """Why there can be no cluster here."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        return "mariadb-server is not installed"
    return None if PROVIDER.exists() else "galera-4 is not installed"


def _user() -> list[str]:
    """Root starts the nodes as Debian's user: what copies one node to another would otherwise run as nobody."""
    return ["--user=mysql"] if os.geteuid() == 0 else []


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "mysql")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass
class Node:
    """One server of the cluster."""

    folder: Path
    port: int
    group_port: int
    ist_port: int
    sst_port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def kill(self) -> None:
        """As when the power goes."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class Cluster:
    """Three nodes, each of which takes writes."""

    def __init__(self, folder: Path) -> None:
        ports = iter(_free_ports(4 * NODES))
        self.nodes = [
            Node(folder / f"node{n}", next(ports), next(ports), next(ports), next(ports)) for n in range(NODES)
        ]
        self._count = 0

    def start(self) -> None:
        """The first founds the cluster, the others join it."""
        for number, node in enumerate(self.nodes):
            node.folder.mkdir()
            _own(node.folder)
            make = ["mariadb-install-db", "--no-defaults", f"--datadir={node.folder}", "--skip-test-db", *_user()]
            subprocess.run(
                [*make, "--auth-root-authentication-method=normal"],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.start_node(number, found=number == 0)

    def start_node(self, number: int, *, found: bool = False) -> None:
        """Start a node, and wait until it is a synced part of the cluster."""
        node = self.nodes[number]
        others = "" if found else ",".join(f"127.0.0.1:{each.group_port}" for each in self.nodes if each is not node)
        log = (node.folder.parent / f"node{number}.log").open("ab")
        node.process = subprocess.Popen(
            [
                "mariadbd", "--no-defaults", f"--datadir={node.folder}", f"--port={node.port}",
                "--bind-address=127.0.0.1",
                f"--socket={node.folder.parent}/s{number}", f"--pid-file={node.folder}/pid", "--skip-name-resolve",
                "--binlog-format=ROW", "--default-storage-engine=InnoDB", "--innodb-autoinc-lock-mode=2",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=48M", "--wsrep-on=ON",
                f"--wsrep-provider={PROVIDER}", f"--wsrep-cluster-address=gcomm://{others}",
                "--wsrep-cluster-name=ledger",
                f"--wsrep-node-address=127.0.0.1:{node.group_port}", f"--wsrep-node-name=node{number}",
                "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address=127.0.0.1:{node.sst_port}",
                "--wsrep-provider-options="
                f"base_host=127.0.0.1;base_port={node.group_port};gmcast.listen_addr=tcp://127.0.0.1:{node.group_port};"
                f"ist.recv_addr=127.0.0.1:{node.ist_port};gcache.size=16M",
                *_user(),
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        self._wait(node)

    def _wait(self, node: Node) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            assert node.process is not None
            assert node.process.poll() is None, f"a node of the cluster has ended; its log is {node.folder}.log"
            try:
                with self.connect(node) as connection, connection.cursor() as cursor:
                    cursor.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")
                    if cursor.fetchone() == ("wsrep_local_state_comment", "Synced"):
                        return
            except pymysql.MySQLError:
                pass
            time.sleep(0.2)
        raise TimeoutError("a node of the cluster did not come up")

    def connect(self, node: Node) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A connection to one node."""
        return pymysql.connect(host="127.0.0.1", port=node.port, user="root", autocommit=True, connect_timeout=3)

    def place(self, *, first: int = 0) -> Place:
        """A database of its own, reached at any node, beginning with ``first``."""
        self._count += 1
        name = f"ledger_{os.getpid()}_{self._count}"
        alive = next(node for node in self.nodes if node.process is not None)
        with self.connect(alive) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return self.same(name, first=first)

    def same(self, name: str, *, first: int) -> Place:
        """The same database, beginning with another node."""
        order = self.nodes[first:] + self.nodes[:first]
        hosts = "&".join(f"host=127.0.0.1:{node.port}" for node in order)
        return Place.parse(f"mariadb://root@/{name}?{hosts}")

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that is gone afterwards, with its files."""
    folder = Path(tempfile.mkdtemp(prefix="galera"))
    _own(folder)
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
