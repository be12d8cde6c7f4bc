"""`bench_predecessor` in a process of its own, which leaves the network: the predecessor looks for others in it.

Two nodes of the predecessor, the second with an upstream, and two of ours, the second with the scripted engine. The
upstream is a server with an answer ready, and what it takes by itself is measured too.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from tests.clients.catalogue import PREDECESSOR
from tests.clients.namespace import NoNamespaceError, leave_the_network
from tests.clients.nodes import KEY, LOCAL, REMOTE, serve

MODEL = "scripted"
UPSTREAM, API, QUIC = 8500, (8420, 8430), (8421, 8431)
"""Ports, of a network of our own; the predecessor's default ones where another node of it announces its models."""
PATIENCE_S = 60
JOINING_S = 5
TEXT = "ACCE"
"""One token of the scripted engine."""
DONE = "data: [DONE]\n\n"


class Upstream:
    """An application with one answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = b""
        while (message := await receive()).get("more_body"):
            asked += message["body"]
        asked += message["body"]
        if scope["path"].endswith("/models"):
            body, kind = json.dumps(_models()), b"application/json"
        elif json.loads(asked).get("stream"):
            body, kind = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks()) + DONE, b"text/event-stream"
        else:
            body, kind = json.dumps(_answer()), b"application/json"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


def _chunks() -> Iterator[dict[str, Any]]:
    for delta, reason in (({"role": "assistant", "content": TEXT}, None), ({}, "length")):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}


def _models() -> dict[str, Any]:
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "local"}]}


def _answer() -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "length"}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}


class Asked:
    """A connection to one API."""

    def __init__(self, port: int, model: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}

    def seconds(self) -> float:
        """How long an answer of one token takes. Raises `ValueError` for another answer."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        began = time.perf_counter()
        self._connection.request("POST", "/v1/chat/completions", json.dumps(self._body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        taken = time.perf_counter() - began
        if answer.status != 200 or f'"{TEXT}"'.encode() not in content:
            raise ValueError(f"{answer.status} {content[:400]!r}")
        return taken

    def ready(self) -> Asked:
        """This, as soon as it answers. Raises `TimeoutError`."""
        until = time.monotonic() + PATIENCE_S
        problem = ""
        while time.monotonic() < until:
            try:
                self.seconds()
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = str(error)
                self._connection.close()
                time.sleep(0.5)
            else:
                return self
        raise TimeoutError(
            f"{self._body['model']} on port {self._connection.port} did not answer in {PATIENCE_S} s: {problem[:500]}"
        )


@contextlib.contextmanager
def _process(command: Sequence[str], environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _predecessor(folder: Path, number: int, *flags: str, bootstrap: str = "") -> Iterator[None]:
    """A node of the predecessor, as its own commands make one."""
    home = folder / f"predecessor-{number}"
    home.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "MYCELLM_TELEMETRY": "false"}
    environ |= {"MYCELLM_DATA_DIR": str(home / "data"), "MYCELLM_CONFIG_DIR": str(home / "config")}
    environ |= {"MYCELLM_BOOTSTRAP_PEERS": bootstrap} if bootstrap else {}
    program = PREDECESSOR.program("mycellm")
    for words in () if (home / "data").exists() else (("account", "create"), ("device", "create")):
        subprocess.run((program, *words), env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    ports = ("--port", str(API[number]), "--quic-port", str(QUIC[number]), "--no-dht")
    with _process((program, "serve", *ports, *flags), environ, home / "log"):
        yield


def _medians(sides: dict[str, Asked], rounds: int) -> dict[str, float]:
    """Milliseconds, of all sides in turn."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side.seconds())
    return {name: round(statistics.median(each) * 1e3, 2) for name, each in taken.items()}


def measure(rounds: int) -> dict[str, Any]:
    """Start everything, and measure."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = dict(os.environ)
        stack.enter_context(_process((sys.executable, "-m", __spec__.name, "upstream"), environ, folder / "log"))
        upstream = Asked(UPSTREAM, MODEL).ready()
        stack.enter_context(_predecessor(folder, 0))
        relay = ("--relay", f"http://127.0.0.1:{UPSTREAM}")
        second = (folder, 1, *relay)
        with _predecessor(*second, bootstrap=f"127.0.0.1:{QUIC[0]}"):  # joins the network of the first one, and …
            Asked(API[1], f"relay:{MODEL}").ready()
            time.sleep(JOINING_S)
        stack.enter_context(_predecessor(*second, bootstrap=f"127.0.0.1:{QUIC[0]}"))  # … says so when it starts again
        ours = {place: stack.enter_context(serve(place)) for place in (LOCAL, REMOTE)}
        sides = {
            "upstream": upstream,
            "predecessor_local": Asked(API[1], f"relay:{MODEL}").ready(),
            "predecessor_remote": Asked(API[0], MODEL).ready(),
            **{place: Asked(int(side.url.rpartition(":")[2]), MODEL).ready() for place, side in ours.items()},
        }
        for side in sides.values():  # connections that lay idle are closed by now
            side.ready()
        _medians(sides, rounds // 5)
        return _medians(sides, rounds)


def main(word: str) -> int:
    """Print the medians as JSON; or be the upstream."""
    if word == "upstream":
        config = uvicorn.Config(Upstream(), port=UPSTREAM, log_level="error", access_log=False, lifespan="off")
        asyncio.run(uvicorn.Server(config).serve())
        return 0
    try:
        leave_the_network()
        print(json.dumps(measure(int(word))))
    except NoNamespaceError as error:
        print(json.dumps({"reason": f"it would look for others in the network, and there is no namespace: {error}"}))
    except (TimeoutError, subprocess.CalledProcessError) as error:
        print(json.dumps({"reason": str(error)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
