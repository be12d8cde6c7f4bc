"""A generated case that fails ends with one item, and the command that it names runs just that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from conformance import cli
from conformance.case import Case
from conformance.cases.registry import cases
from conformance.data import DEFAULT_SET, sets
from conformance.honest.node import Node
from conformance.honest.rules import Rules
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement, judge
from conformance.report.facts import Facts
from conformance.running.memory import MemoryEnvironment, run_virtually
from conformance.running.run import Selection, run
from conformance.running.shrink import shrunk
from conformance.wire.transcript import dump, load

SEED = b"shrink"
TELLING = [f"encoding/reject-drawn-in-{place}" for place in ("hello-body", "request", "content", "open", "tick")]
"""Elsewhere a careless reader stumbles over the next check, which has the same code."""
CARELESS = Rules(frozenset(f"ENC-{number:03}" for number in range(10, 20)))
"""What a reader is that takes nearly anything for an item."""


def judged(case: Case, rules: Rules, *, only: tuple[int, ...] = ()) -> Judgement:
    """The judgement of one case against a node with ``rules``."""
    selection = Selection(scope=sets()[DEFAULT_SET], tier="full", patterns=(case.id,), only=only)

    async def main() -> Judgement:
        environment = MemoryEnvironment(partial(Node, rules=rules), seed=SEED)
        return (await run(selection, environment, seed=SEED)).judgements[case.id]

    return run_virtually(main)


def reproducer(judgement: Judgement) -> str:
    """What the report and the command line say."""
    selection = Selection(scope=sets()[DEFAULT_SET])
    facts = Facts(
        seed=SEED,
        began=datetime(2000, 1, 1, tzinfo=UTC),
        seconds=1,
        address="",
        node_id=None,
        reaching=("--target", "h:1"),
    )
    return facts.reproducer(judgement, selection)


@pytest.mark.parametrize("name", TELLING)
def test_a_careless_reader_is_told_with_one_item(name: str) -> None:
    case = cases()[name]
    judgement = judged(case, CARELESS)
    assert judgement.verdict is Verdict.FAIL
    (item,) = judgement.transcript.header["items"]
    faults = [event for event in judgement.transcript.events if event.what == "fault"]
    assert len(faults) == 1
    assert reproducer(judgement).endswith(f"--seed {SEED.hex()} --tier {case.tier} --filter {case.id} --only {item}")
    again = judged(case, CARELESS, only=(item,))
    assert [each.message for each in again.findings] == [each.message for each in judgement.findings]
    assert judge(case, load(dump(judgement.transcript))).findings == judgement.findings


def test_every_item_is_drawn_and_none_twice() -> None:
    case = cases()["encoding/reject-drawn-in-content"]
    judgement = judged(case, Rules())
    assert judgement.transcript.header["items"] == list(range(case.items))
    assert reproducer(judgement).endswith(case.id)


def test_what_only_fails_together_stays_together() -> None:
    case = cases()["encoding/reject-drawn-in-content"]
    passed = judged(case, Rules())

    async def again(_: object) -> Judgement:
        return passed

    together = replace(passed, verdict=Verdict.FAIL)
    assert run_virtually(lambda: shrunk(together, again)) is together


def test_an_item_that_no_case_draws_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--target", "127.0.0.1:9", "--filter", "handshake/*", "--only", "3"]
    assert cli.main(arguments) == 2
    assert "no case of the selection draws an item 3" in capsys.readouterr().err
