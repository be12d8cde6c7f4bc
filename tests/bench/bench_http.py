"""What the HTTP layer adds to an answer: processor time for each streamed token, and time of an empty completion.

Against uvicorn with an application that has the same bytes ready and writes one event at a time, as the node does. Each
is a process of its own, and they take turns; the engine of the node's side has its tokens ready too.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from .http_side import MODEL

TOKENS = 2000
PATH = "/v1/chat/completions"
HEADERS = {"content-type": "application/json"}


class Side:
    """A server in a process of its own, and one connection to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = psutil.Process(process.pid)
        port = json.loads(process.stdout.readline())["port"]
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, **more: Any) -> bytes:
        """The body of an answer."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]} | more
        self._connection.request("POST", PATH, json.dumps(body), HEADERS)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content

    def stream(self, tokens: int = TOKENS) -> bytes:
        """A streamed answer of that many tokens."""
        return self.ask(stream=True, max_tokens=tokens + 1)

    def processor_time(self) -> float:
        """Seconds that the server has used until now, in user's mode and the kernel's."""
        times = self._process.cpu_times()
        return times.user + times.system


@contextmanager
def _side(*words: str) -> Iterator[Side]:
    command = (sys.executable, "-m", "tests.bench.http_side", *words)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Side(process)
        finally:
            process.communicate()


def _per_token(side: Side, streams: int) -> float:
    """Processor time of the server for a streamed token, in seconds. The clock of it ticks every 10 ms."""
    began = side.processor_time()
    for _ in range(streams):
        side.stream()
    return (side.processor_time() - began) / (streams * TOKENS)


def _empty(side: Side) -> float:
    """Seconds until an empty completion is there, on a connection that is open."""
    began = time.perf_counter()
    side.ask(max_tokens=1)
    return time.perf_counter() - began


def _measure(node: Side, raw: Side, rounds: int) -> dict[str, Any]:
    for side in (node, raw):
        side.stream()
        _empty(side)
    pairs = [(_per_token(node, 4), _per_token(raw, 4)) for _ in range(rounds)]
    waits = [(_empty(node), _empty(raw)) for _ in range(rounds * 40)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    quick, bare = (statistics.median(column) for column in zip(*waits, strict=True))
    return {
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "microseconds_per_token": round(mine * 1e6, 1),
        "microseconds_per_token_against": round(other * 1e6, 1),
        "empty_completion": {
            "ratio": round(statistics.median(a / b for a, b in waits), 2),
            "added_p50_microseconds": round((quick - bare) * 1e6),
            "microseconds": round(quick * 1e6),
            "microseconds_against": round(bare * 1e6),
        },
    }


def run(quick: bool) -> dict[str, object]:
    """Medians of neighbours' ratios."""
    with tempfile.TemporaryDirectory() as folder, _side("node") as node:
        file = Path(folder) / "recorded.json"
        events = [f"{event}\n\n" for event in node.stream().decode().split("\n\n") if event]
        file.write_text(json.dumps({"events": events, "body": node.ask(max_tokens=1).decode()}))
        with _side("raw", str(file)) as raw:
            assert raw.stream().decode() == "".join(events)
            figures = _measure(node, raw, 5 if quick else 25)
    return {
        "what": "processor time of the HTTP layer for a streamed token",
        "against": "uvicorn and an application with the same bytes ready",
        "aim": "<= 1.5",
        **figures,
    }
