"""The file of known failures: strict both ways, and it expires."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.cases.registry import cases
from conformance.honest.node import Node
from conformance.judge.judge import judge
from conformance.mutants.mutant import skipping
from conformance.running.known import EXAMPLE, KnownFailingError, excused, problems, read
from conformance.running.memory import transcript_of

CASE = "handshake/reject-silence"
TODAY = date(2026, 11, 25)


def written(folder: Path, text: str) -> Path:
    path = folder / "known.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_right(tmp_path: Path) -> None:
    listed = read(written(tmp_path, EXAMPLE))
    assert listed[CASE].expires == date(2027, 1, 31)
    assert excused(listed, TODAY) == {CASE}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[case]\n", "known.toml"),
        ("[case]\nid = 1\n", "tables and nothing else"),
        ("other = 1\n", "tables and nothing else"),
        (EXAMPLE.replace("issue", "ticket"), "keys id, reason, issue, expires"),
        (EXAMPLE.replace('"…"', '""'), "empty"),
        (EXAMPLE.replace("2027-01-31", '"soon"'), "no date"),
        (EXAMPLE.replace("silence", "sylence"), "no case"),
        (EXAMPLE + EXAMPLE, "twice"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(KnownFailingError, match=why):
        read(written(tmp_path, text))


def test_a_case_that_passes_meanwhile_has_to_go(tmp_path: Path) -> None:
    listed = read(written(tmp_path, EXAMPLE))
    passing = {CASE: judge(cases()[CASE], transcript_of(cases()[CASE], Node))}
    failing = {CASE: judge(cases()[CASE], transcript_of(cases()[CASE], skipping("HSK-014")))}
    assert ["take its line out" in each for each in problems(listed, passing, TODAY)] == [True]
    assert list(problems(listed, failing, TODAY)) == []


def test_a_line_that_has_expired_excuses_nothing(tmp_path: Path) -> None:
    listed = read(written(tmp_path, EXAMPLE))
    assert excused(listed, date(2027, 2, 1)) == frozenset()
    assert ["renew" in each for each in problems(listed, {}, date(2027, 2, 1))] == [True]
