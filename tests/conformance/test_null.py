"""Peers that implement nothing pass next to nothing."""

from __future__ import annotations

import pytest

from conformance.cases.registry import cases
from conformance.honest.node import Node
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.mutants.null import NULL_PEERS
from conformance.running.memory import transcript_of
from conformance.running.results import beside_twins

NEAR_ZERO = 0.03


@pytest.mark.parametrize("peer", NULL_PEERS)
def test_a_null_peer_scores_near_zero(peer: str) -> None:
    judged = {
        case.id: judge(case, transcript_of(case, Node, NULL_PEERS[peer]))
        for case in cases().values()
        if case.role == "responder" and not case.needs
    }
    passed = [case for case, each in beside_twins(judged).items() if each.verdict in (Verdict.PASS, Verdict.WARN)]
    assert len(passed) <= NEAR_ZERO * len(judged), passed
    broken = [case for case, each in judged.items() if each.verdict is Verdict.HARNESS_ERROR]
    assert not broken
