"""Runs in memory, and their reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from conformance.cases.registry import cases
from conformance.entropy import Entropy
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.judge.finding import Finding, Verdict
from conformance.judge.judge import Judgement, judge
from conformance.report.facts import Facts, responders_scope
from conformance.running.memory import transcript_of
from conformance.running.results import beside_twins
from conformance.running.run import Run
from conformance.wire.transcript import Event

PINNED = "handshake/accept-pinned"
FLIPPED = "handshake/reject-bad-signature"
FACTS = Facts(
    set="responder",
    scope=responders_scope(),
    tier="core",
    filters=(),
    seed=b"report",
    began=1_790_000_000.0,
    seconds=1.5,
    address="192.0.2.1:7400",
    node_id=None,
    reaching=("--target", "192.0.2.1:7400"),
)


def run_of(
    ids: Sequence[str] = (PINNED, FLIPPED),
    *,
    node: Callable[[Entropy], Node] = Node,
    connection: type[Connection] = Connection,
) -> Run:
    """A run of some cases against a node in memory."""
    judgements = {}
    for each in ids:
        judgements[each] = judge(cases()[each], transcript_of(cases()[each], node, connection, seed=FACTS.seed))
    return Run(judgements=beside_twins(judgements))


def with_findings(judgement: Judgement, verdict: Verdict, *findings: Finding) -> Judgement:
    """A judgement that found something else."""
    return replace(judgement, verdict=verdict, findings=findings)


def with_event(judgement: Judgement, index: int, **changed: Any) -> Judgement:
    """A judgement of a transcript in which one event is another."""
    events: list[Event] = list(judgement.transcript.events)
    events[index] = replace(events[index], **changed)
    return replace(judgement, transcript=replace(judgement.transcript, events=tuple(events)))
