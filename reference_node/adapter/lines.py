"""Lines from the suite and to it: what begins and ends a node is done here, the rest is the node's own."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.version import version
from .parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

VERBS: dict[str, tuple[str, ...]] = {
    "hello": ("adapter",),
    "start": ("model", "allow", "allowance", "max_spend"),
    "stop": (),
    "restart": ("kill",),
    "lose-store": (),
    "dial": ("address", "node"),
    "ask": ("provider", "model", "messages", "max_tokens", "deadline_ms", "parameters", "network"),
    "answer": ("request", "within_ms"),
    "cancel": ("request",),
    "receipts": (),
    "withdraw": (),
    "forbid": ("consumer",),
    "clock": ("seconds",),
    "join": ("descriptor", "membership", "roll", "node_certificate"),
    "create-network": ("admission", "settled"),
    "invite": ("network", "uses", "roles", "quota", "seconds"),
    "withdraw-invite": ("network", "invite"),
    "admit": ("network", "member", "roles", "quota"),
    "revoke": ("network", "member"),
}
"""What this adapter knows: the options of each verb."""
OPTIONAL = (
    *(f"start.{name}" for name in VERBS["start"]),
    "restart.kill",
    *(f"ask.{name}" for name in ("network", *PARAMETERS)),
    "join.node_certificate",
    "create-network.settled",
)
STOP_WITHIN_S = 10.0
_CHUNK = 1 << 16


class RefusedError(Exception):
    """The node does not do that: the name of an error code or of a parameter."""


class Keeper:
    """Keeps the one node of this adapter."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        # What the node imports takes seconds; its processes are forked from one that has it.
        self._context.set_forkserver_preload(["reference_node.adapter.nodes", "alembic.command", "alembic.script"])
        self._process: ForkServerProcess | None = None
        self._home: Path | None = None
        self._options: dict[str, Any] = {}
        self._dials: list[dict[str, Any]] = []
        self._seconds = 0
        self.node: Connection | None = None

    def begin(self, request: int) -> None:
        """Start the node; it replies to ``request`` itself."""
        self.node, other = self._context.Pipe()
        started = {"options": self._options, "dials": self._dials, "seconds": self._seconds, "request": request}
        self._process = self._context.Process(target=_live, args=(other, str(self._home), started))
        self._process.start()
        other.close()

    def end(self, *, kill: bool = False) -> None:
        """End the node, as its owner would, or as a crash does."""
        process, node = self._process, self.node
        self._process = self.node = None
        if process is None or node is None:
            return
        if kill:
            process.kill()
        node.close()  # the node stops when nobody is there any more
        process.join(STOP_WITHIN_S)
        if process.is_alive():
            process.kill()
            process.join()

    # Verbs

    def start(self, request: int, options: dict[str, Any]) -> None:
        """A new node, with nothing of the one before."""
        self.stop()
        self._home = Path(tempfile.mkdtemp(prefix="mycellm-adapter-"))
        self._options, self._dials, self._seconds = options, [], 0
        self.begin(request)

    def restart(self, request: int, options: dict[str, Any]) -> None:
        """The same home, again."""
        self.running()
        self.end(kill=options.get("kill", False))
        self.begin(request)

    def lose_store(self, request: int, _: dict[str, Any]) -> None:
        """The same home, without the receipts."""
        from ..store import RECEIPTS_FILE  # late: it loads the store

        home = self.running()
        self.end()
        for file in home.glob(RECEIPTS_FILE + "*"):
            file.unlink()
        self._dials = []
        self.begin(request)

    def stop(self) -> None:
        """Leave nothing behind."""
        self.end()
        if self._home is not None:
            shutil.rmtree(self._home)
            self._home = None

    def relay(self, request: int, verb: str, options: dict[str, Any]) -> None:
        """Let the node do it."""
        self.running()
        if verb == "dial":
            self._dials.append(options)
        elif verb == "clock":
            self._seconds += options["seconds"]
        assert self.node is not None  # it runs
        self.node.send({"id": request, "verb": verb, "options": options})

    def running(self) -> Path:
        """The node's home. Raises `RefusedError` where there is no node."""
        if self.node is None or self._home is None:
            raise RefusedError("INTERNAL")
        return self._home


def _live(connection: Connection, home: str, started: dict[str, Any]) -> None:
    """The life of the node's process."""
    from .nodes import run  # late: it loads the node, which this process leaves to the others

    run(connection, home, started)


def declaration() -> dict[str, Any]:
    """What this adapter says of itself."""
    return {
        "adapter": 1,
        "implementation": {"name": "mycellm reference node", "version": version()},
        "roles": ["consumer", "provider"],
        "capabilities": [*VERBS, *OPTIONAL],
    }


def unsupported(verb: str, options: dict[str, Any]) -> str | None:
    """What of a request this adapter does not know."""
    if verb not in VERBS:
        return verb
    unknown = [name for name in options if name not in VERBS[verb]]
    unknown += [name for name in options.get("parameters", ()) if name not in PARAMETERS]
    return f"{verb}.{unknown[0]}" if unknown else None


def serve() -> None:
    """Do what the lines of standard input say, until they end."""
    keeper = Keeper()
    rest = b""
    try:
        while True:
            ready = wait([sys.stdin.fileno(), *([keeper.node] if keeper.node is not None else [])])
            if keeper.node in ready:
                _pass_on(keeper)
            if sys.stdin.fileno() in ready:
                data = os.read(sys.stdin.fileno(), _CHUNK)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    _take(keeper, json.loads(line))
    finally:
        keeper.stop()


def _pass_on(keeper: Keeper) -> None:
    assert keeper.node is not None  # it has something to say
    try:
        _write(keeper.node.recv())
    except EOFError:
        keeper.end()


def _take(keeper: Keeper, request: dict[str, Any]) -> None:
    number, verb, options = request["id"], request["verb"], request["options"]
    if (unknown := unsupported(verb, options)) is not None:
        _write({"id": number, "unsupported": unknown})
        return
    own: dict[str, Callable[[int, dict[str, Any]], None]] = {
        "start": keeper.start,
        "restart": keeper.restart,
        "lose-store": keeper.lose_store,
    }
    try:
        if verb == "hello":
            _write({"id": number, "result": declaration()})
        elif verb == "stop":
            keeper.stop()
            _write({"id": number, "result": {}})
        elif verb in own:
            own[verb](number, options)
        else:
            keeper.relay(number, verb, options)
    except RefusedError as error:
        _write({"id": number, "refused": str(error)})


def _write(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()
