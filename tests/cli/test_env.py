"""``env``: the lines that a shell takes, asked of a node that runs."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from reference_node.cli import env, main, node_api
from reference_node.config import parse_address

if TYPE_CHECKING:
    from pathlib import Path


class Running:
    address = parse_address("127.0.0.1:8420")

    def get(self, _path: str) -> tuple[int, dict[str, Any]]:
        return 200, {"data": [{"id": "a model's"}]}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setattr(node_api, "connect", lambda _settings, _api: Running())
    return ["--home", str(tmp_path)]


def test_every_client_has_its_lines(home: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", *home, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [client["name"] for client in told["clients"]] == [client.name for client in env.CLIENTS]
    found = {client["name"]: client["variables"] for client in told["clients"]}
    assert found["openai"] == {"OPENAI_BASE_URL": "http://127.0.0.1:8420/v1", "OPENAI_API_KEY": "none"}
    assert found["claude-code"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8420"
    assert found["aider"]["OPENAI_API_BASE"] == "http://127.0.0.1:8420/v1"
    for client in told["clients"]:
        assert "{" not in "".join(client["variables"].values())


def test_a_shell_can_read_all_lines(home: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for client in ([], [each.name for each in env.CLIENTS[:1]]):
        assert main(["env", *client, "--shell", *home]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines
        assert all(len(shlex.split(line)) == 2 and line.startswith("export ") for line in lines)
    assert main(["env", "aider", *home]) == 0
    assert "aider --model openai/" in capsys.readouterr().out


def test_the_key_of_this_home_is_given(home: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apikeys", "create", "x", *home]) == 0
    capsys.readouterr()
    assert main(["env", "openai", "--shell", *home]) == 0
    key = (tmp_path / "api.key").read_text().strip()
    assert f"OPENAI_API_KEY={key}" in capsys.readouterr().out
