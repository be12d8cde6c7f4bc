"""Runs: what is selected, what a verdict is about, and what ends a run early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from conformance.case import Case, Tier
from conformance.cases.registry import cases
from conformance.data import RequirementSet, sets
from conformance.entropy import Entropy
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.mutants.mutant import skipping
from conformance.mutants.null import Silent
from conformance.running.memory import MemoryEnvironment, run_virtually, transcript_of
from conformance.running.results import beside_twins
from conformance.running.run import Outcome, Run, Selection, SelectionError, run
from conformance.wire.link import Link, OverdueError, Recorder
from conformance.wire.transcript import Transcript

SCOPE = RequirementSet(
    name="two", title="", roles=frozenset({"responder"}), adapter=False, requirements=("HSK-006~1", "HSK-014~1")
)


def runs(
    selection: Selection, make: Callable[[Entropy], Node] = Node, connection: type[Connection] = Connection
) -> Run:
    async def main() -> Run:
        return await run(selection, MemoryEnvironment(make, connection, seed=b"run"), seed=b"run")

    return run_virtually(main)


def choose(*patterns: str, tier: Tier = "full") -> Selection:
    return Selection(scope=SCOPE, tier=tier, patterns=patterns)


def test_the_default_set_is_of_a_responder_on_the_wire() -> None:
    first = next(iter(sets().values()))
    assert (first.name, first.adapter, first.roles) == ("responder", False, frozenset({"responder"}))


def test_a_selection_brings_the_twins_of_its_cases() -> None:
    chosen = [each.id for each in choose("handshake/reject-bad-signature").cases()]
    assert chosen == ["handshake/accept-pinned", "handshake/reject-bad-signature"]


def test_a_selection_brings_the_twins_of_its_twins() -> None:
    chosen = [each.id for each in choose("flow/reject-credit-too-far").cases()]
    assert chosen == ["inference/accept-chat", "flow/accept-credit", "flow/reject-credit-too-far"]
    assert runs(choose("flow/reject-credit-too-far")).outcome is Outcome.CONFORMANT


def test_what_rests_on_a_twin_that_shows_nothing_shows_nothing() -> None:
    whole = runs(choose("flow/reject-credit-too-far")).judgements
    silent = replace(whole["inference/accept-chat"], verdict=Verdict.FAIL)
    seen = beside_twins({**whole, "inference/accept-chat": silent})
    assert {case: each.verdict for case, each in seen.items()} == {
        "inference/accept-chat": Verdict.FAIL,
        "flow/accept-credit": Verdict.INCONCLUSIVE,
        "flow/reject-credit-too-far": Verdict.INCONCLUSIVE,
    }


@pytest.mark.parametrize("case", cases().values(), ids=lambda case: case.id)
def test_a_transcript_of_nothing_shows_nothing(case: Case) -> None:
    empty = Transcript(header={"case": case.id}, events=())
    assert judge(case, empty).verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ("handshake/accept-pinned", Verdict.INCONCLUSIVE),
        ("handshake/reject-bad-signature", Verdict.PASS),
        ("opens/refuse-bad-signature", Verdict.INCONCLUSIVE),
    ],
)
def test_a_script_comes_to_its_end_or_to_a_close_behind_the_fault(case: str, verdict: Verdict) -> None:
    whole = transcript_of(cases()[case], Node)
    cut = replace(whole, events=tuple(each for each in whole.events if each.what != "done"))
    assert judge(cases()[case], whole).verdict is Verdict.PASS
    assert judge(cases()[case], cut).verdict is verdict


def test_each_filter_has_to_match_in_the_selection() -> None:
    with pytest.raises(SelectionError, match="set two and the tier smoke none matches"):
        choose("handshake/accept-pinned", "handshake/reject-silence", tier="smoke").cases()


@pytest.mark.parametrize("pattern", ["handshake/rejekt-*", "*x*/nothing"])
def test_a_filter_that_matches_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(SelectionError, match="no case matches"):
        choose(pattern).cases()


def test_a_selection_without_a_case_is_an_error() -> None:
    with pytest.raises(SelectionError, match="has no case"):
        choose("handshake/reject-silence", tier="smoke").cases()


def test_an_honest_node_is_conformant() -> None:
    result = runs(choose("handshake/*"))
    assert result.outcome is Outcome.CONFORMANT
    assert result.count(Verdict.PASS) == len(result.judgements) > 20


def test_one_failure_is_enough() -> None:
    result = runs(choose("handshake/*"), skipping("HSK-014"))
    assert result.failures == ["handshake/reject-silence"]
    assert result.outcome is Outcome.NOT_CONFORMANT


def test_a_refusal_without_its_twin_shows_nothing() -> None:
    """A node that says nothing does not accept what it has to refuse either: that is no merit."""
    result = runs(choose("handshake/reject-bad-signature"), connection=Silent)
    assert result.judgements["handshake/reject-bad-signature"].verdict is not Verdict.PASS
    assert result.outcome is not Outcome.CONFORMANT


def test_an_excused_failure_is_no_conformance_either() -> None:
    failed = runs(choose("handshake/*"), skipping("HSK-014"))
    excused = Run(
        selection=failed.selection, judgements=failed.judgements, excused=frozenset({"handshake/reject-silence"})
    )
    assert excused.failures == []
    assert excused.outcome is Outcome.NOT_FULLY_VERIFIED


def test_nothing_executed_is_never_green() -> None:
    empty = Run(selection=choose(), judgements={})
    assert empty.outcome is Outcome.NOT_FULLY_VERIFIED


def test_a_whole_run_has_to_show_every_must_of_its_set() -> None:
    judgements = runs(choose("handshake/*")).judgements
    without = {case: each for case, each in judgements.items() if case != "handshake/reject-silence"}
    assert Run(selection=choose(), judgements=judgements).outcome is Outcome.CONFORMANT
    assert Run(selection=choose(), judgements=without).outcome is Outcome.NOT_FULLY_VERIFIED
    assert Run(selection=choose("handshake/*"), judgements=without).outcome is Outcome.CONFORMANT


class _Vanishing(MemoryEnvironment):
    """A target that is gone after some connections."""

    def __init__(self, connections: int) -> None:
        super().__init__(Node, seed=b"run")
        self._left = connections
        self.dialed = 0

    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        self.dialed += 1
        self._left -= 1
        if self._left < 0:
            raise OverdueError("QUIC and TLS")
        return await super().dial(recorder, alpn=alpn, address=address)


def test_a_target_that_goes_away_ends_the_waiting() -> None:
    environment = _Vanishing(connections=3)

    async def main() -> Run:
        return await run(choose("handshake/*"), environment, seed=b"run")

    result = run_virtually(main)
    gone = [each for each in result.judgements.values() if any("is gone" in f.message for f in each.findings)]
    assert len(gone) > 10
    assert {each.verdict for each in gone} == {Verdict.UNTESTABLE}
    assert all(finding.lift for each in gone for finding in each.findings if "is gone" in finding.message)
    assert environment.dialed < 15
    assert result.outcome is not Outcome.CONFORMANT


def test_every_case_has_the_name_of_its_family_and_a_verb() -> None:
    for case in cases().values():
        family, _, slug = case.id.partition("/")
        assert family
        assert slug.split("-")[0] in VERBS, case.id


VERBS = frozenset(
    {
        "accept", "act", "agree", "allow", "announce", "answer", "apply", "ask", "book", "bound", "call", "cancel",
        "carry", "change", "claim", "close", "count", "decide", "dial", "discard", "doubt", "earn", "end", "find",
        "forget", "free", "give", "grant", "hold", "ignore", "join", "keep", "let", "list", "number", "offer", "owe",
        "pay", "refuse", "reject", "release", "remember", "renew", "repeat", "reserve", "resume", "say", "select",
        "send", "serve", "settle", "show", "sign", "speak", "spend", "stop", "take", "tell", "use", "wait",
        "withdraw",
    }
)  # fmt: skip
