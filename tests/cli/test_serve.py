"""``serve`` as a process: what it says, how it is found, how it ends; and ``chat`` against it."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reference_node.cli import chat, runfile
from reference_node.cli import serve as serve_command

if TYPE_CHECKING:
    import pytest

    from .conftest import Runner, Servers

FREE = ("--api", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--model", "fake-chat")


def _get(api: str, path: str) -> tuple[int, dict[str, object]]:
    host, _, port = api.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_life(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json")
    listening = serving.event("listening")
    assert serving.event("ready")["model"] == "fake-chat"
    status, health = _get(listening["api"], "/health")
    assert (status, health["api"], health["quic"]) == (200, listening["api"], listening["quic"])
    assert listening["node_id"] == run("identity", "--json").json["node_id"]

    # Found by the other commands, readable by its owner only.
    assert stat.S_IMODE((run.home / "run.json").stat().st_mode) == 0o600
    found = runfile.find(run.home)
    assert found is not None
    assert (found.api, found.pid) == (listening["api"], serving.process.pid)
    assert run("peers", "--json").json["peers"][0]["state"] == "connected"
    assert "connected" in run("peers").out
    answer = run("chat", "--json", "--system", "Be brief.", "Hi", "there").json
    assert answer["answer"] == "Hello, world"
    assert answer["usage"]["total_tokens"] == 9
    assert run("chat", "Hi").out == "Hello, world\n"
    ran = run("chat", "--model", "none", "Hi")
    assert ran.code == 1
    assert "fake-chat" in ran.err
    examined = run("doctor", "--json", "--no-model", "--api", found.api).json["checks"]
    checks = {check["name"]: check["status"] for check in examined}
    assert (checks["node"], checks["api port"]) == ("ok", "ok")

    # One node a home.
    second = run(*FREE)
    assert second.code == 2
    assert "already runs" in second.err

    code, out, err = serving.stop()
    assert code == 0
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["stopping", "stopped"]
    assert json.loads(err.splitlines()[0])["event"] == "listening"
    assert not (run.home / "run.json").exists()
    assert runfile.find(run.home) is None


def test_people_are_told_the_next_step(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE)
    assert serving.process.stderr is not None
    said = ""
    while "Ready." not in said:
        line = serving.process.stderr.readline()
        assert line
        said += line
    node_id = run("identity", "--json").json["node_id"]
    assert node_id in said
    assert "may be used by: any node" in said
    assert "OPENAI_BASE_URL=http://127.0.0.1:" in said
    assert f"--peer {node_id}@127.0.0.1:7421" in said
    assert "curl http://127.0.0.1:" in said
    code, out, _ = serving.stop(signal.SIGINT)
    assert (code, out) == (0, "")


def test_progress_is_said_in_tenths() -> None:
    for done, total, said in ((0, 7, " 0 %"), (3, 7, " 40 %"), (7, 7, " 100 %"), (0, 0, "")):
        assert serve_command._share({"stage": "convert", "done": done, "total": total}) == said
    assert serve_command._share(None) == ""


def test_beyond_loopback_a_key_is_made_and_required(run: Runner, serve: Servers) -> None:
    serving = serve("--api", "0.0.0.0:0", "--quic", "0.0.0.0:0", "--model", "fake-chat", "--json")
    port = serving.event("listening")["api"].rpartition(":")[2]
    path = run.home / "api.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _get(f"127.0.0.1:{port}", "/models")[0] == 401
    assert _get(f"127.0.0.1:{port}", "/health")[0] == 200
    assert run("chat", "Hi").out == "Hello, world\n"
    assert run("chat", "--api", f"127.0.0.1:{port}", "Hi").code == 1  # this home's key goes to no other address
    assert path.read_text().strip() not in "".join(serving.stop()[1:])


def test_a_second_signal_ends_at_once(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json", FAKE_NODE_HANGS="1")
    serving.event("listening")
    serving.event("ready")
    serving.process.send_signal(signal.SIGTERM)
    serving.event("stopping")
    assert serving.stop()[0] == 1
    assert not (run.home / "run.json").exists()


def test_a_conversion_does_not_hold_up_the_end(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json", FAKE_NODE_CONVERTS="1")
    serving.event("listening")
    serving.event("ready")
    assert serving.stop()[0] == 0
    assert not (run.home / "run.json").exists()


def test_a_killed_node_is_not_found(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json")
    serving.event("listening")
    serving.stop(signal.SIGKILL)
    assert (run.home / "run.json").exists()
    assert runfile.find(run.home) is None
    assert run("peers").code == 1


def test_taken_ports_are_one_sentence_and_2(run: Runner) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run(*FREE, "--api", f"127.0.0.1:{taken.getsockname()[1]}")
    assert ran.code == 2
    assert "another program listens there" in ran.err
    assert "Traceback" not in ran.err
    ran = run(*FREE, "--quic", "127.0.0.1:1")
    assert ran.code == 2
    assert "cannot listen on 127.0.0.1:1 (UDP)" in ran.err


def test_a_conversation_keeps_its_turns(run: Runner, serve: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(*FREE, "--json").event("listening")
    lines = iter(["Hi", "", "More"])
    asked = []

    def typed(_prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    original = chat.Conversation.ask

    def ask(talk: chat.Conversation, text: str) -> Iterator[str]:
        asked.append(len(talk.messages))
        return original(talk, text)

    monkeypatch.setattr(chat.Conversation, "ask", ask)
    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    ran = run("chat")
    assert ran.code == 0
    assert ran.out == "Hello, world\nHello, world\n"
    assert asked == [0, 2]


def test_an_empty_pipe_asks_nothing(run: Runner, serve: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(*FREE, "--json").event("listening")
    for flags in ([], ["--json"]):
        monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
        ran = run("chat", *flags)
        assert ran.code == 2
        assert "nothing to ask" in (ran.json["error"]["message"] if flags else ran.err)
        assert flags or ran.out == ""


def test_ctrl_c_in_an_answer_is_130(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return 0

    monkeypatch.setattr("reference_node.cli.chat.run", interrupted)
    assert run("chat", "Hi").code == 130
