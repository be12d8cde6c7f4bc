"""Nodes for clients: one with a model, or one without that asks the other over QUIC; and what their logs say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEY = "sk-a-key-of-these-tests-and-of-nothing-else"
LOCAL, REMOTE, EMBEDDED = "local", "remote", "embedded"
PLACES = (LOCAL, REMOTE, EMBEDDED)
READY_S = {LOCAL: 60, REMOTE: 60, EMBEDDED: 600}
"""Until a node is ready; the embedded model is converted once for each user."""
SCRIPTED = ("--model", "scripted")
IMAGES = ("--images", "placeholder")
"""llm-comply asks about an image; by default it would be refused by name."""
SCRIPTED_TEXT = "ACCEPT-OK"
"""What the scripted engine's answers hold, unless it is told otherwise."""


class NodeError(Exception):
    """A node did not start."""


class Process:
    """A node in a process of its own, with its log in a file."""

    def __init__(self, home: Path, *flags: str, key: str | None = None) -> None:
        home.mkdir(mode=0o700, parents=True)
        self.home, self.log_file = home, home.with_suffix(".log")
        self.environ = {name: value for name, value in os.environ.items() if name in _KEPT}
        self.environ |= {"MYCELLM_API_KEY": key} if key else {}
        free = ("--api", "127.0.0.1:0", "--quic", "127.0.0.1:0")
        command = (sys.executable, "-m", "reference_node", "serve", "--home", str(home), "--json", *free, *flags)
        with self.log_file.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environ, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log,
            )  # fmt: skip

    def until(self, name: str, patience_s: float = 60) -> dict[str, Any]:
        """The next event of that name. Raises `NodeError`."""
        assert self._process.stdout is not None
        clock = threading.Timer(patience_s, self._process.kill)
        clock.start()
        try:
            for line in self._process.stdout:
                event: dict[str, Any] = json.loads(line)
                if event["event"] == name:
                    return event
                if event["event"] == "failed":
                    raise NodeError(str(event.get("message")))
        finally:
            clock.cancel()
        raise NodeError(f"it ended before it was {name}: {self.log_file.read_text()[-600:]}")

    def command(self, *words: str) -> Any:
        """The JSON that a command of this node's prints."""
        command = (sys.executable, "-m", "reference_node", *words, "--home", str(self.home), "--json")
        done = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def stop(self) -> None:
        """End it in good order."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=20)
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


_KEPT = {"PATH", "HOME", "LANG", "XDG_CACHE_HOME", "MYCELLM_CACHE", "MYCELLM_ACCEL", "OPENBLAS_CORETYPE", "TMPDIR"}


@dataclass
class Served:
    """What a client is pointed at."""

    place: str
    url: str
    node: Process
    others: tuple[Process, ...] = ()
    model: str = ""
    _read: dict[Path, int] = field(default_factory=dict)
    _entries: list[dict[str, Any]] = field(default_factory=list)

    def variables(self, *clients: str) -> dict[str, str]:
        """What `env` tells the users of these clients to export."""
        told: dict[str, str] = {}
        for name in clients:
            told |= self._env(name)["variables"]
        return told

    def command(self, client: str) -> str:
        """How `env` says that this client is started."""
        return str(self._env(client)["command"])

    def _env(self, client: str) -> Mapping[str, Any]:
        return dict(self.node.command("env", client)["clients"][0])

    def log(self) -> list[dict[str, Any]]:
        """What the nodes have logged until now; a later list begins with an earlier one."""
        for node in (self.node, *self.others):
            with node.log_file.open() as log:
                log.seek(self._read.get(node.log_file, 0))
                self._entries += [_entry(line) for line in iter(log.readline, "")]
                self._read[node.log_file] = log.tell()
        return list(self._entries)


def _entry(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"level": "error", "event": f"not a log line: {line.strip()[:200]}"}
    return entry


@contextlib.contextmanager
def serve(place: str) -> Iterator[Served]:
    """Nodes as ``place`` says: scripted local, scripted remote, or the embedded model. Raises `NodeError`."""
    started: list[Process] = []
    with tempfile.TemporaryDirectory(prefix="mycellm-clients-") as folder:
        try:
            if place == REMOTE:
                provider = Process(Path(folder) / "b", *SCRIPTED)
                started.append(provider)
                where = provider.until("listening")
                peer = f"{where['node_id']}@{where['quic']}"
                node = Process(Path(folder) / "a", "--no-model", "--peer", peer, *IMAGES, key=KEY)
            else:
                model = (*SCRIPTED, *IMAGES) if place == LOCAL else ()
                node = Process(Path(folder) / "a", *model, key=KEY)
            started.append(node)
            api = node.until("listening")["api"]
            node.until("ready", READY_S[place])
            served = Served(place=place, url=f"http://{api}", node=node, others=tuple(started[:-1]))
            served.model = _first_model(served.url)
            yield served
        finally:
            for process in reversed(started):
                process.stop()


def _first_model(url: str) -> str:
    """The first model that is listed; one without a model lists its peers' as soon as it has met them."""
    request = urllib.request.Request(f"{url}/v1/models", headers={"authorization": f"Bearer {KEY}"})
    for _ in range(300):
        with urllib.request.urlopen(request, timeout=20) as answer:
            if models := json.loads(answer.read())["data"]:
                return str(models[0]["id"])
        time.sleep(0.1)
    raise NodeError("no model appeared")
