"""``owner``: with a running node and without one, and the one rule of what wins."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node.cli import arguments

if TYPE_CHECKING:
    from .conftest import Runner, Servers

FREE = ("--api", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--model", "fake-chat")
ID = encode_node_id(bytes(31) + b"\1")
OTHER = encode_node_id(bytes(31) + b"\2")


def controls(run: Runner, *arguments: str) -> dict[str, Any]:
    ran = run("owner", *arguments, "--json")
    assert ran.code == 0, ran.err
    return {name: each["value"] for name, each in ran.json["controls"].items()}


def every_action(run: Runner) -> None:
    assert controls(run, "prices", "--in", "2", "--out", "9")["price_out"] == 9
    assert controls(run, "limits", "--allowance", "5", "--max-spend", "6", "--peer-slots", "1")["peer_slots"] == 1
    assert controls(run, "pause")["paused"] is True
    assert controls(run, "resume")["paused"] is False
    assert controls(run, "block", ID, OTHER)["block"] == sorted((ID, OTHER))
    assert controls(run, "unblock", ID)["block"] == [OTHER]
    assert controls(run, "allow", ID)["allow"] == ["any", ID]
    assert controls(run, "disallow", "any")["allow"] == [ID]
    assert controls(run, "share", "direct", "none")["share"] == {"direct": []}
    assert controls(run, "share", "ab" * 32, "m", "n")["share"] == {"direct": [], "ab" * 32: ["m", "n"]}
    assert controls(run, "share", "direct", "all")["share"] == {"direct": None, "ab" * 32: ["m", "n"]}
    assert controls(run, "reset", "price_out", "share") | {"price_in": 0} == controls(run) | {"price_in": 0}
    shown = controls(run)
    assert (shown["price_in"], shown["price_out"], shown["share"]) == (2, 4, {})
    text = run("owner").out
    assert "changed (setting: 1)" in text


def test_without_a_node_the_home_is_changed_and_the_next_start_has_it(run: Runner, serve: Servers) -> None:
    every_action(run)
    assert "holds at the next start" in run("owner", "show").err
    serving = serve(*FREE, "--price-in", "7")
    assert serving.process.stderr is not None
    said = ""
    while "Ready." not in said:
        line = serving.process.stderr.readline()
        assert line
        said += line
    assert "their settings do not count: allow, allowance, block, max_spend, paused, peer_slots, price_in." in said
    assert ID in said  # who may use this node
    assert controls(run)["price_in"] == 2
    assert "holds at the next start" not in run("owner", "show").err


def test_a_running_node_is_told(run: Runner, serve: Servers) -> None:
    serving = serve(*FREE, "--json")
    serving.event("listening")
    every_action(run)
    kept = json.loads((run.home / "owner.json").read_bytes())["changed"]
    assert kept["price_in"] == 2
    ran = run("owner", "disallow", ID, "--json")
    assert ran.code == 0
    ran = run("owner", "prices", "--in", "1000001")
    assert (ran.code, "price_in: 1000001 cannot be used" in ran.err) == (1, True)
    serving.stop()


def test_what_was_changed_wins_and_config_says_so(run: Runner) -> None:
    run("owner", "prices", "--in", "3")
    run("owner", "share", "direct", "m")
    rows = {row["name"]: row for row in run("config", "--json", "--price-in", "8", "--price-out", "9").json["settings"]}
    assert (rows["price_in"]["value"], rows["price_in"]["source"]) == (3, f"owner: file {run.home / 'owner.json'}")
    assert (rows["price_out"]["value"], rows["price_out"]["source"]) == (9, "flag --price-out")
    assert rows["share"]["value"] == ["direct=m"]
    assert "owner reset" in run("config", "--help").out
    run("owner", "reset", "price_in")
    rows = {row["name"]: row for row in run("config", "--json", "--price-in", "8").json["settings"]}
    assert (rows["price_in"]["value"], rows["price_in"]["source"]) == (8, "flag --price-in")


@pytest.mark.parametrize(("words", "said"), [
    (("prices",), "--in or --out"), (("limits",), "--allowance or --max-spend"), (("block", "any"), "cannot be used"),
    (("block", ID[:-1]), "cannot be used"), (("allow", "x"), "cannot be used"),
    (("share", "x", "all"), "64 hexadecimal"),
    (("share", "direct", "all", "m"), "alone"), (("reset", "model"), "invalid choice"), (("stop",), "invalid choice"),
    (("prices", "--in", "1.5"), "invalid int"),
])  # fmt: skip
def test_a_wrong_command_line_is_explained(run: Runner, words: tuple[str, ...], said: str) -> None:
    ran = run("owner", *words)
    assert ran.code == 2
    assert said in ran.err
    assert not (run.home / "owner.json").exists()


@pytest.mark.parametrize("content", [
    "", "{", "[]", '{"version": 2, "changed": {}}', '{"version": 1, "changed": {"price": 1}}',
    '{"version": 1, "changed": {"price_in": -1}}', '{"version": 1, "changed": {"block": ["x"]}}',
    '{"version": 1, "changed": {"block": "x"}}', '{"version": 1, "changed": {"share": []}}', "[" * 100_000,
])  # fmt: skip
def test_a_damaged_file_stops_a_start_rather_than_let_somebody_in(run: Runner, content: str) -> None:
    run("owner", "block", ID)
    (run.home / "owner.json").write_text(content)
    for words in (("owner",), ("serve", *FREE), ("config",)):
        ran = run(*words)
        assert ran.code == 2
        assert "damaged" in ran.err
        assert "remove it" in ran.err


def test_others_may_not_read_it(run: Runner) -> None:
    run("owner", "block", ID)
    assert (run.home / "owner.json").stat().st_mode & 0o777 == 0o600
    (run.home / "owner.json").chmod(0o644)
    assert "chmod 600" in run("owner").err


def test_a_drain_ends_the_node(run: Runner, serve: Servers) -> None:
    assert "No node runs" in run("owner", "drain").err
    serving = serve(*FREE, "--json")
    serving.event("listening")
    ran = run("owner", "drain", "--within", "5")
    assert (ran.code, "stays paused until" in ran.err) == (0, True)
    assert controls(run, "resume")["paused"] is False
    ran = run("owner", "drain", "--exit", "--json")
    assert (ran.code, ran.json["drain"]["state"], ran.json["drain"]["then"]) == (0, "done", "exit")
    ended = threading.Thread(target=serving.process.wait)
    ended.start()
    ended.join(20)
    assert serving.process.poll() == 0


def test_every_action_explains_itself(run: Runner) -> None:
    text = run("owner", "--help").out
    for action in ("show", "prices", "limits", "pause", "resume", "drain", "block", "unblock", "allow", "disallow"):
        assert action in text
        assert "until `owner reset NAME`" in run("owner", action, "--help").out
    assert "owner reset" in arguments.build().format_help()
