"""report.json: valid by its schema, true to the judgements, and to the transcripts beside it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.data import requirements
from conformance.judge.finding import Finding, Verdict
from conformance.mutants.mutant import skipping
from conformance.mutants.registry import mutants
from conformance.report.document import ReportError, document, load, validate
from conformance.report.write import prepare, write

from .runs import FACTS, FLIPPED, PINNED, SELECTION, run_of, run_with, with_findings

LAX = skipping("HSK-006")
BINDS_NOTHING = mutants()["handshake/binds-hello-to-nothing"].connection


def by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in entries}


def test_the_top_level_is_what_is_promised() -> None:
    made = document(run_of(), FACTS)
    assert list(made) == ["verdict", "set", "spec", "suite", "target", "counts", "requirements", "cases"]
    assert made["verdict"] == "CONFORMANT"
    assert made["counts"]["cases"] == dict.fromkeys(Verdict, 0) | {"pass": 2}
    assert made["target"]["models"] == ["conformance-words"]
    assert made["target"]["node_id"].startswith("myc1")


def test_every_requirement_of_the_set_is_there_with_its_sentence() -> None:
    made = document(run_of(), FACTS)
    found = by_id(made["requirements"])
    assert found.keys() == set(SELECTION.scope.requirements)
    assert {each["sentence"] for each in found.values()} == {
        requirements()[each].sentence for each in SELECTION.scope.requirements
    }
    assert found["HSK-006~1"]["cases"] == {FLIPPED: "pass"}
    assert found["HSK-006~1"]["verdict"] == "kept"
    assert found["HSK-014~1"]["verdict"] == "not run"
    assert sum(made["counts"]["requirements"].values()) == len(found)


def test_a_broken_requirement_fails_and_no_other() -> None:
    made = document(run_of(node=LAX), FACTS)
    assert made["verdict"] == "NOT CONFORMANT"
    assert [each["id"] for each in made["requirements"] if each["verdict"] == "broken"] == ["HSK-006~1"]
    (finding,) = by_id(made["cases"])[FLIPPED]["findings"]
    assert finding["requirements"] == ["HSK-006~1"]
    assert finding["event"] is None


def test_a_case_that_failed_for_something_else_shows_nothing() -> None:
    made = document(run_of((PINNED,), connection=BINDS_NOTHING), FACTS)
    found = by_id(made["requirements"])
    assert found["HSK-016~1"]["verdict"] == "broken"
    assert found["HSK-003~1"]["cases"] == {PINNED: "elsewhere"}
    assert found["HSK-003~1"]["verdict"] == "not verified"
    assert made["target"]["node_id"] is None, "a HELLO of another connection proves no id"


def test_a_warning_breaks_what_it_cites_and_shows_the_rest() -> None:
    judged = run_of((PINNED,)).judgements[PINNED]
    finding = Finding(verdict=Verdict.WARN, message="late", requirements=("CTL-008~1",))
    made = document(run_with({PINNED: with_findings(judged, Verdict.WARN, finding)}), FACTS)
    found = by_id(made["requirements"])
    assert (found["CTL-008~1"]["verdict"], found["CTL-008~1"]["cases"]) == ("broken", {PINNED: "warn"})
    assert (found["HSK-003~1"]["verdict"], found["HSK-003~1"]["cases"]) == ("kept", {PINNED: "pass"})


def test_a_known_failure_is_one_that_says_so() -> None:
    run = run_of(node=LAX)
    made = document(run_with(run.judgements, excused=frozenset({FLIPPED})), FACTS)
    assert made["verdict"] == "NOT FULLY VERIFIED"
    assert {each["id"]: (each["verdict"], each["known"]) for each in made["cases"]} == {
        PINNED: ("pass", False),
        FLIPPED: ("fail", True),
    }


def test_a_case_beside_a_twin_that_failed_keeps_the_verdict_of_its_transcript() -> None:
    run = run_of()
    failed = with_findings(run.judgements[PINNED], Verdict.FAIL, Finding(verdict=Verdict.FAIL, message="no"))
    alone = replace(run.judgements[FLIPPED], verdict=Verdict.INCONCLUSIVE)
    made = document(run_with({PINNED: failed, FLIPPED: alone}), FACTS)
    case = by_id(made["cases"])[FLIPPED]
    assert case["verdict"] == "inconclusive"
    assert case["transcript"]["verdict"] == "pass"


def test_each_transcript_written_has_the_verdict_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write(tmp_path, run_of(node=LAX), FACTS)
    assert load(tmp_path) == load(tmp_path / "report.json") == made
    assert len(made["cases"]) == 2
    for case in made["cases"]:
        status = main(["judge", "--json", str(tmp_path / case["transcript"]["file"])])
        said = json.loads(capsys.readouterr().out)
        assert said["verdict"] == case["verdict"] == case["transcript"]["verdict"]
        assert status == (case["verdict"] == "fail")


def test_a_report_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "new", run_of(), FACTS)
    write(tmp_path / "new", run_of((PINNED,)), FACTS)
    assert [each.name for each in (tmp_path / "new/transcripts").iterdir()] == ["handshake.accept-pinned.ndjson"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").touch()
    with pytest.raises(ReportError, match="is no report"):
        prepare(tmp_path / "other")
    with pytest.raises(ReportError, match="thesis"):
        prepare(tmp_path / "other/thesis.tex")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "GREAT"),
        (("extra",), 1),
        (("cases", 0, "verdict"), "ok"),
        (("cases", 0, "requirements"), ["HSK-006"]),
        (("cases", 0, "transcript", "file"), "../report.json"),
        (("cases", 0, "findings"), [{"verdict": "fail"}]),
        (("counts", "cases", "pass"), -1),
        (("spec", "lock"), "0"),
    ],
)
def test_the_schema_refuses_what_is_no_report(path: tuple[Any, ...], value: Any) -> None:
    made = deepcopy(document(run_of((PINNED,)), FACTS))
    validate(made)
    place: Any = made
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = value
    with pytest.raises(ReportError):
        validate(made)
