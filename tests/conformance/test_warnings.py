"""What breaks a SHOULD is a warning, and fails nothing."""

from __future__ import annotations

import pytest

from conformance.cases.registry import cases
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.mutants.mutant import provider_with
from conformance.running.memory import transcript_of


def _thinks(self: Provider, tokens: int) -> None:
    self.timers.start("thought", 40, lambda: self.accept(tokens))


def _leaves(self: Provider, text: str, tokens: int) -> None:
    Provider.chunk(self, text, tokens)
    self.connection.fail(0)


def _draws_by_luck(self: Provider, tokens: int) -> None:
    del self.content[12]
    Provider.accept(self, tokens)


@pytest.mark.parametrize(
    ("case", "requirement", "broken"),
    [
        ("flow/decide-a-dozen", "INF-028~1", {"accept_after_thinking": _thinks}),
        ("inference/repeat-answer-of-same-seed", "INF-006~1", {"accept": _draws_by_luck}),
        ("inference/accept-chat", "INF-029~1", {"chunk": _leaves}),
    ],
)
def test_a_broken_should_is_a_warning(case: str, requirement: str, broken: dict[str, object]) -> None:
    judgement = judge(cases()[case], transcript_of(cases()[case], Node, provider_with(**broken)))
    warned = {name for each in judgement.findings if each.verdict is Verdict.WARN for name in each.requirements}
    assert warned == {requirement}
