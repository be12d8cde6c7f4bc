"""The light clients in every slow run: those that the locks bring, and Claude Code where it has been installed.

Without the namespace of ``python3 -m tests clients``; that also runs the others, and proves more.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.catalogue import BY_NAME
from tests.clients.nodes import LOCAL, REMOTE, Served, serve
from tests.clients.plays import PROGRAMS, Client, claude, comply_with, logged, program
from tests.clients.sandbox import sandbox
from tests.clients.verdict import PASSED, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=[LOCAL, REMOTE])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serve(request.param) as served:
        yield served


def passes(verdicts: Iterator[Verdict]) -> int:
    """How many checks there were, once all have passed."""
    found = list(verdicts)
    assert [verdict for verdict in found if verdict.verdict != PASSED] == []
    return len(found)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_an_sdk_does_its_turns_with_its_variables_alone(served: Served, name: str) -> None:
    client = BY_NAME[name]
    command = (sys.executable, str(PROGRAMS / client.program))
    with sandbox() as box:
        assert passes(logged(program(command, client, served, box), client, served)) > 5


def test_a_suite_of_others_finds_nothing(served: Served) -> None:
    suite = Path(sysconfig.get_path("scripts"), "llm-comply")
    with sandbox() as box:
        assert passes(logged(comply_with(str(suite), served, box), BY_NAME["llm-comply"], served)) > 25


def test_claude_code_takes_a_turn_and_uses_a_tool(served: Served) -> None:
    client: Client = BY_NAME["claude-code"]
    if not client.package.is_there():
        pytest.skip("`python3 -m tests clients claude-code --install-only` installs it")
    with sandbox() as box:
        assert passes(logged(claude(client, served, box), client, served)) > 2
