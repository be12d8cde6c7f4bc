"""``peers find``, with a node that runs and without one."""

from __future__ import annotations

from .conftest import Runner, Servers
from .test_serve import FREE


def test_what_peers_know_is_shown(run: Runner, serve: Servers) -> None:
    serve(*FREE, "--json").event("listening")
    shown = run("peers", "find")
    assert shown.code == 0
    for part in ("direct", "myc1x", "192.0.2.7:7420", "reached", "The LAN shows myc1y", "asked: 2"):
        assert part in shown.out + shown.err
    answer = run("peers", "find", "direct", "--json").json
    assert (answer["asked"], answer["lan"]) == (2, [])
    assert "--discover" in (said := run("peers", "find", "direct")).out + said.err


def test_a_network_that_is_not_known_is_named(run: Runner, serve: Servers) -> None:
    serve(*FREE, "--json").event("listening")
    refused = run("peers", "find", "nowhere")
    assert refused.code == 1
    assert "nowhere" in refused.err


def test_without_a_node_there_is_nobody_to_ask(run: Runner) -> None:
    refused = run("peers", "find")
    assert refused.code == 1
    assert "No node runs" in refused.err
    assert run("peers", "list", "nowhere").code == 2
