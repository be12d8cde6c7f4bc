"""The main job on real input: an OpenAI client, a real language model, two nodes, one receipt that both hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from mycellm_proto.nodeid import decode_node_id

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m-instruct"
QUESTION = "What is the capital of France?"


class Process:
    """``python3 -m reference_node --json …``, its events read line by line (pytest's timeout ends a vain wait)."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        command = [sys.executable, "-m", "reference_node", "--home", str(home), "--json", *arguments]
        free = ["--api", "127.0.0.1:0", "--quic", "127.0.0.1:0"]
        with (home.parent / f"{home.name}.log").open("w") as log:
            self.process = subprocess.Popen(
                command + free, cwd=ROOT, env=dict(os.environ), text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.listening = self.until("listening")

    def until(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"the node ended before it was {name}: {self.log()}")

    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://{self.listening['api']}/health", timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"http://{self.listening['api']}/v1", api_key="none", max_retries=0)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "reference_node", *arguments, "--home", str(self.home), "--json"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Process]]:
    """A node with the embedded model, and one without that was told of it."""
    folder = tmp_path_factory.mktemp("nodes")
    (folder / "provider").mkdir(mode=0o700)
    (folder / "consumer").mkdir(mode=0o700)
    provider = Process(folder / "provider")
    status, health = provider.health()
    assert status == 200 or health["progress"]["stage"]  # 503 with progress, unless the model was faster
    provider.until("ready")
    peer = f"{provider.listening['node_id']}@{provider.listening['quic']}"
    consumer = Process(folder / "consumer", "--no-model", "--peer", peer)
    yield provider, consumer
    for node in (consumer, provider):
        node.process.kill()
        node.process.communicate()


@pytest.mark.timeout(300)
def test_a_client_of_the_second_node_is_answered_by_the_first(nodes: tuple[Process, Process]) -> None:
    provider, consumer = nodes
    client = consumer.client()
    local_client = provider.client()
    listed = {model.id: model for model in _when_listed(client)}
    assert decode_node_id(listed[MODEL].owned_by) == decode_node_id(provider.listening["node_id"])

    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The capital of France is Paris."
    assert len(chunks) > 5  # streamed, not sent whole
    usage = chunks[-1].usage
    assert usage is not None
    local = local_client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=16
    )
    assert local.choices[0].message.content == text
    assert local.usage == usage

    client.close()
    local_client.close()

    # Both hold the same receipt, signed by both; and neither log holds a word of the question or the answer.
    assert [node.stop() for node in (consumer, provider)] == [0, 0]
    exports = []
    for node in (provider, consumer):
        verified = node.run("receipts", "verify")
        assert verified.returncode == 0, verified.stdout
        file = node.home / "receipts.hex"
        assert node.run("receipts", "export", str(file)).returncode == 0
        exports.append(file.read_text())
        assert "France" not in node.log()
        assert "Paris" not in node.log()
    assert exports[0] == exports[1]
    assert len(exports[0].splitlines()) == 1


def _when_listed(client: OpenAI) -> list[Any]:
    """The models, once the peer's is among them: the first answers come before the nodes have met."""
    for _ in range(1000):
        if models := list(client.models.list()):
            return models
    raise AssertionError("the peer's model did not appear")
