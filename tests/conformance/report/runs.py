"""Runs in memory, and their reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from conformance.cases.registry import cases
from conformance.data import DEFAULT_SET, sets
from conformance.entropy import Entropy
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.judge.finding import Finding, Verdict
from conformance.judge.judge import Judgement, judge
from conformance.report.facts import Facts
from conformance.running.memory import transcript_of
from conformance.running.results import beside_twins
from conformance.running.run import Run, Selection
from conformance.wire.transcript import Event

PINNED = "handshake/accept-pinned"
FLIPPED = "handshake/reject-bad-signature"
SELECTION = Selection(scope=sets()[DEFAULT_SET], tier="core")
FACTS = Facts(
    seed=b"report",
    began=datetime(2026, 9, 21, 12, 0, tzinfo=UTC),
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
    return run_with(beside_twins(judgements))


def run_with(judgements: Mapping[str, Judgement], excused: frozenset[str] = frozenset()) -> Run:
    """A run that came to some judgements."""
    return Run(selection=SELECTION, judgements=judgements, excused=excused)


def with_findings(judgement: Judgement, verdict: Verdict, *findings: Finding) -> Judgement:
    """A judgement that found something else."""
    return replace(judgement, verdict=verdict, findings=findings)


def with_event(judgement: Judgement, index: int, **changed: Any) -> Judgement:
    """A judgement of a transcript in which one event is another."""
    events: list[Event] = list(judgement.transcript.events)
    events[index] = replace(events[index], **changed)
    return replace(judgement, transcript=replace(judgement.transcript, events=tuple(events)))
