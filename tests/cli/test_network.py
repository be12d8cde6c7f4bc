"""``network`` without a running node, and what it asks of a running one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mycellm_proto.keys import SigningKey
from mycellm_proto.nodeid import encode_node_id

from .conftest import Runner, Servers

NODE = encode_node_id(SigningKey(b"\x09" * 32).public)
FREE = ("--api", "127.0.0.1:0", "--quic", "127.0.0.1:0")


def test_an_authority_makes_a_network_and_invites(run: Runner, home: Path) -> None:
    made = json.loads(run("network", "create", "lab", "--kind", "org", "--json").out)["created"]
    assert (made["name"], made["kind"], made["credit"], made["authority"]) == ("lab", "org", "settled", True)
    assert run("network", "create", "lab").code == 1
    keys = [path for path in (home / "networks" / made["id"]).iterdir() if path.suffix == ".key"]
    assert {path.name for path in keys} == {"root.key", "authority.key"}
    assert {path.stat().st_mode & 0o777 for path in (home / "networks").rglob("*") if path.is_file()} == {0o600}
    invited = run("network", "invite", "lab", "--quota", "1000", "--uses", "2", "--address", "192.0.2.7:7420")
    assert invited.out.startswith("mycellm-invite:")
    members = json.loads(run("network", "members", "lab", "--json").out)
    assert [(row["uses"], row["quota"], row["state"]) for row in members["invites"]] == [(2, 1000, "open")]
    assert run("network", "withdraw", "lab", invited.out.strip()).code == 0
    assert "open invite" not in run("network", "members", "lab").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nowhere"), 1),
        (("invite", "nowhere"), 1),
        (("join", "mycellm-invite:AAAA"), 1),
        (("join", "https://example.org"), 1),
        (("join", "ab", "--at", "nobody"), 2),
        (("join", "ab", "--at", f"{NODE}@127.0.0.1:1"), 2),
        (("admit", "nowhere", NODE), 1),
        (("revoke", "nowhere", "myc1nobody"), 2),
        (("create", "Not A Name"), 1),
        (("create", "a", "--kind", "secret"), 2),
        (("create", "a", "--model", "zz"), 2),
        (("invite", "nowhere", "--quota", "-1"), 2),
        (("invite", "nowhere", "--address", "nonsense"), 2),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(run: Runner, words: tuple[str, ...], code: int) -> None:
    done = run("network", *words)
    assert done.code == code
    assert "error: " in done.err
    assert "bug" not in done.err


def test_a_running_node_is_told(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json")
    serving.event("listening")
    assert run("network", "create", "lab").code == 0
    assert "lab" in run("network", "show").out
    assert run("network", "invite", "lab").out.startswith("mycellm-invite:")
    assert run("network", "revoke", "lab", "myc1nobody").code == 1
    assert run("network", "leave", "lab").code == 1
    serving.stop()


def test_what_is_shared_in_a_network_is_said_by_its_name(run: Runner) -> None:
    made = json.loads(run("network", "create", "lab", "--json").out)["created"]
    assert run("owner", "share", "lab", "none", "--json").json["controls"]["share"]["value"] == {made["id"]: []}
    assert run("owner", "share", "direct", "all", "--json").code == 0
    assert run("owner", "share", "nowhere", "none").code == 2


def test_a_balance_is_asked_of_a_running_node_alone(run: Runner, serve: Servers) -> None:
    offline = run("network", "balance")
    assert (offline.code, "running node" in offline.err) == (1, True)
    serving = serve(*FREE, "--json")
    serving.event("listening")
    assert run("network", "balance", "lab").out.split()[-4:] == ["lab", "1000", "300", "700"]
    assert run("network", "balance", "--json").json["balances"][0]["available"] == 700
    assert run("network", "balance", "nowhere").code == 1
    serving.stop()
