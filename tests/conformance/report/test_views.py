"""JUnit and the badge say what the report says, and no more."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from conformance.judge.finding import Finding, Verdict
from conformance.mutants.mutant import skipping
from conformance.report.badge import badge
from conformance.report.document import Document, document
from conformance.report.junit import junit

from .runs import FACTS, FLIPPED, PINNED, run_of, run_with, with_findings

EVIL = "]]>&<x>\x00\x1b[2J\ud800\nsecond line"


def report(verdict: Verdict) -> Document:
    """One honest pass, and one case that ended with ``verdict``."""
    run = run_of()
    finding = Finding(verdict=verdict, message=EVIL, requirements=("HSK-006~1",), lift="do it")
    judged = with_findings(run.judgements[FLIPPED], verdict, *([] if verdict is Verdict.PASS else [finding]))
    return document(run_with({PINNED: run.judgements[PINNED], FLIPPED: judged}), FACTS)


@pytest.mark.parametrize(
    ("verdict", "tags", "sums"),
    [
        (Verdict.PASS, [], (2, 0, 0, 0)),
        (Verdict.WARN, ["system-out"], (2, 0, 0, 0)),
        (Verdict.FAIL, ["failure"], (2, 1, 0, 0)),
        (Verdict.HARNESS_ERROR, ["error"], (2, 0, 1, 0)),
        (Verdict.UNTESTABLE, ["skipped"], (2, 0, 0, 1)),
        (Verdict.INCONCLUSIVE, ["skipped"], (2, 0, 0, 1)),
        (Verdict.NOT_APPLICABLE, ["skipped"], (2, 0, 0, 1)),
    ],
)
def test_junit_maps_every_verdict(verdict: Verdict, tags: list[str], sums: tuple[int, ...]) -> None:
    root = ElementTree.fromstring(junit(report(verdict)))
    assert tuple(int(root.attrib[each]) for each in ("tests", "failures", "errors", "skipped")) == sums
    (suite,) = root.iter("testsuite")
    assert suite.attrib["name"] == "handshake"
    honest, other = suite.iter("testcase")
    assert honest.attrib["name"] == "accept-pinned"
    assert other.attrib["classname"] == "handshake"
    assert list(honest) == []
    assert [each.tag for each in other] == tags
    for each in other:
        assert "second line" in (each.text or "")
        assert "HSK-006~1" in (each.text or "")
        assert "\\x1b[2J" in (each.text or "")
        assert "--filter handshake/reject-bad-signature" in (each.text or "")


def test_a_known_failure_is_skipped_and_says_so() -> None:
    run = run_of(node=skipping("HSK-006"))
    made = document(run_with(run.judgements, excused=frozenset({FLIPPED})), FACTS)
    root = ElementTree.fromstring(junit(made))
    (skipped,) = root.iter("skipped")
    assert skipped.attrib["message"].startswith("known fail: ")
    assert (root.attrib["failures"], root.attrib["skipped"]) == ("0", "1")


def test_junit_is_utf8_whatever_the_target_said() -> None:
    junit(report(Verdict.FAIL)).encode("utf-8")


@pytest.mark.parametrize(
    ("verdict", "filters", "says"),
    [
        (Verdict.PASS, [], "CONFORMANT · responder · core"),
        (Verdict.FAIL, [], "NOT CONFORMANT · responder · core"),
        (Verdict.UNTESTABLE, ["handshake/*"], "NOT FULLY VERIFIED · responder · core · filtered"),
    ],
)
def test_the_badge_says_what_it_covers(verdict: Verdict, filters: list[str], says: str) -> None:
    made: Any = report(verdict)
    made["suite"]["filters"] = filters
    root = ElementTree.fromstring(badge(made))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["mycellm 1.0-draft", says]
    assert root.attrib["aria-label"] == f"mycellm 1.0-draft: {says}"
    assert "href" not in badge(made)
