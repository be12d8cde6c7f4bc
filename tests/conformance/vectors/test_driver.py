"""Programs behind the driver's door: the honest one passes everything, and no dishonest one gets by."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance import cli
from conformance.vectors import drive
from conformance.vectors.cases import select, vectors_of
from conformance.vectors.driver import PROTOCOL, Declaration, Driver
from conformance.vectors.judge import NoAnswerError, Verdict, compared
from reference_node.vector_driver import protocol
from spec.vectors.generate.files import VECTORS
from tests.spec.schema import problem

BAD = Path(__file__).with_name("bad_driver.py")
OURS = f"{shlex.quote(sys.executable)} -m reference_node.vector_driver"


def bad(mode: str, *families: str) -> str:
    return shlex.join([sys.executable, str(BAD), mode, *families])


@pytest.fixture(autouse=True)
def _no_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers run in the environment of the tests."""
    monkeypatch.setenv("MYCELLM_BOOTSTRAP", "0")


class Run:
    """One run of the command, and what it reported."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.errors = ""

    def __call__(self, driver: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        status = cli.main(["vectors", "--driver", driver, "--json", *arguments])
        said = self._capsys.readouterr()
        self.errors = said.err
        return status, json.loads(said.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def notes(report: dict[str, Any], verdict: str) -> dict[str, str]:
    return {case["id"]: case.get("note", "") for case in report["cases"] if case["verdict"] == verdict}


def test_the_protocol_passes_every_vector(run: Run) -> None:
    status, report = run(OURS)
    assert notes(report, "fail") == {}
    assert (status, report["verdict"]) == (0, "passed")
    assert report["counts"]["pass"] == len(report["cases"]) == len(select()) + 2
    assert report["driver"]["name"] == "mycellm_proto"
    assert run.errors == ""


def test_lines_of_both_sides_have_the_form_of_the_schema() -> None:
    schema = json.loads((VECTORS / "schema" / "driver.json").read_text(encoding="utf-8"))
    asked: list[dict[str, Any]] = [
        {"verb": "hello", "protocol": PROTOCOL, "spec": "1.0-draft"},
        {"verb": "verb-0123abcd", "id": "1"},
        {"verb": "derive", "id": "2", "family": "family-0123abcd", "inputs": {}},
    ]
    asked += [
        {"verb": "derive", "id": str(number), "family": vector.family, "inputs": vector.inputs}
        for number, vector in enumerate(select(), 3)
    ]
    for line in asked:
        assert problem(line, schema) is None, line
        assert problem(protocol.answer(line), schema) is None, line
    assert problem({"id": "1"}, schema) is not None


def test_nothing_that_is_sent_tells_the_outcome() -> None:
    for vector in select():
        assert not {"id", "requirements", "intermediate", "expect"} & vector.inputs.keys()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("silent", "no answer within 0.5 s"),
        ("gone", "it ended instead of answering (exit status 7)"),
        ("newer", "it speaks version 2 of the protocol"),
        ("nameless", "it answers hello in another form"),
        ("list", "its line is no object"),
        ("echo-all", "it answers hello in another form"),
    ],
)
def test_without_a_declaration_nothing_is_verified(run: Run, mode: str, says: str) -> None:
    timeout = ("--timeout", "0.5") if mode == "silent" else ()
    status, report = run(bad(mode, "nodeid"), *timeout)
    assert (status, report["verdict"]) == (3, "not fully verified")
    assert report["counts"]["untestable"] == len(report["cases"])
    assert says in report["cases"][0]["note"]


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("wrong-id", "its answer is not to what was asked"),
        ("echo-line", "its answer is of another form"),
        ("shapeless", "its answer is of another form"),
        ("talkative", "its answer is of another form"),
        ("no-json", "its line is no JSON: b'oops'"),
        ("flood", "its line has more than"),
        ("dies", "it ended instead of answering (exit status 3)"),
        ("unsupported", "the driver declares the family, and says that it does not support it"),
    ],
)
def test_an_answer_that_is_none_fails_its_case_and_the_run_goes_on(run: Run, mode: str, says: str) -> None:
    status, report = run(bad(mode, "fraud"), "--family", "fraud")
    failed = notes(report, "fail")
    assert status == 1
    assert all(says in note for note in failed.values())
    if mode == "unsupported":
        assert len(failed) == 12
    else:
        assert (len(failed), len(notes(report, "untestable"))) == (3, 9)
    assert ("I am dying" in run.errors) is (mode == "dies")


def test_who_hangs_is_ended_and_started_anew(run: Run) -> None:
    began = time.monotonic()
    status, report = run(bad("mute", "countersign"), "--filter", "countersign/accept-honest", "--timeout", "2")
    assert (status, notes(report, "fail")) == (1, {"countersign/accept-honest": "no answer within 2 s"})
    assert time.monotonic() - began < 60


def test_who_dies_of_one_case_is_asked_the_others(run: Run) -> None:
    status, report = run(bad("dies-of-unicode", "nodeid"), "--family", "nodeid")
    assert status == 1
    died = [name for name, note in notes(report, "fail").items() if "it ended instead of answering (signal 6)" in note]
    assert died == ["nodeid/reject-not-ascii"]
    assert notes(report, "untestable") == {}


def test_who_dies_everywhere_is_given_up(run: Run) -> None:
    status, report = run(bad("dies", "nodeid", "fraud", "signatures", "hello"))
    assert status == 1
    assert len(notes(report, "fail")) == 9
    assert {name.partition("/")[0] for name in notes(report, "fail")} == {"signatures", "nodeid", "hello"}
    assert {"fraud/accept-other-request"} <= notes(report, "untestable").keys()


def test_who_declares_another_thing_in_its_next_life_is_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))
    status, report = run(bad("fickle", "fraud"), "--family", "fraud")
    assert status == 1
    assert "after a new start it declares something else" in notes(report, "fail").values()


@pytest.mark.parametrize(
    ("mode", "failed"),
    [
        ("knows-every-verb", {"honesty/unknown-verb"}),
        ("knows-everything", {"honesty/unknown-family"}),
        ("knows-more", {"honesty/undeclared-encoding", "honesty/undeclared-exchange"}),
    ],
)
def test_who_knows_what_nobody_knows_fails(run: Run, mode: str, failed: set[str]) -> None:
    status, report = run(bad(mode), "--family", "nodeid")
    assert status == 1
    assert failed <= notes(report, "fail").keys()


@pytest.mark.parametrize("mode", ["accept-all", "reject-all", "echo"])
def test_null_drivers_pass_nothing(run: Run, mode: str) -> None:
    families = sorted({vector.family for vector in select()})
    status, report = run(bad(mode, *families))
    assert status == 1
    passed = [name for name in notes(report, "pass") if not name.startswith("honesty/")]
    assert len(passed) < len(report["cases"]) * 0.01


def test_a_fault_of_the_suite_is_reported_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(drive, "compared", broken)
    status, report = run(OURS, "--family", "fraud")
    assert (status, report["verdict"]) == (4, "the suite itself failed")
    assert report["counts"]["harness-error"] == 12


def test_who_watches_sees_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert cli.main(["vectors", "--driver", OURS, "--family", "fraud"]) == 0
    said = capsys.readouterr().err
    assert "0 of 12 honesty/unknown-verb" in said
    assert "12 of 12 fraud/reject-second-in-another-context" in said
    assert said.endswith("\r\x1b[K")


def test_families_that_are_not_declared_are_not_verified(run: Run) -> None:
    status, report = run(bad("reject-all"))
    assert (status, report["verdict"]) == (3, "not fully verified")
    assert report["counts"]["not-applicable"] == len(select())
    assert {case["verdict"] for case in report["cases"] if case["id"].startswith("honesty/")} == {"pass"}


def test_what_was_asked_for_and_declared_is_enough(run: Run) -> None:
    status, report = run(OURS, "--filter", "nodeid/reject-hex")
    assert (status, len(report["cases"])) == (0, 4)


def test_text_names_the_driver_and_what_it_declares_beyond(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vectors", "--driver", bad("reject-all", "tensors"), "--family", "nodeid"]) == 3
    out = capsys.readouterr().out
    assert "driver reject-all (Python)" in out
    assert "it declares tensors, which this suite has no vectors of" in out
    assert "NOT FULLY VERIFIED" in out


def test_a_reason_of_another_name_is_a_warning() -> None:
    vector = next(each for each in vectors_of("encoding") if "reason" in each.expect)
    assert compared(vector, {**vector.expect, "reason": "odd", "more": 1}).verdict is Verdict.WARN
    assert compared(vector, {"verdict": "reject", "code": "ENCODING"}).verdict is Verdict.WARN
    assert compared(vector, {**vector.expect, "code": "INTERNAL"}).verdict is Verdict.FAIL


def test_true_is_not_one() -> None:
    vector = next(each for each in vectors_of("hello") if each.expect.get("pinned") is True)
    assert compared(vector, {**vector.expect, "pinned": 1}).verdict is Verdict.FAIL


def test_a_driver_that_lingers_is_ended() -> None:
    began = time.monotonic()
    with Driver([sys.executable, str(BAD), "lingers", "nodeid"], spec="1.0-draft", timeout=20.0) as driver:
        assert driver.declaration() == Declaration(name="lingers", language="Python", families=("nodeid",))
    assert time.monotonic() - began < 60


def test_a_driver_that_does_not_read_is_ended() -> None:
    """A line that no pipe holds is written as far as it goes, and the deadline holds."""
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        Driver(sleeps, spec="x" * (1 << 20), timeout=0.5) as driver,
        pytest.raises(NoAnswerError, match=r"no answer within 0\.5 s"),
    ):
        driver.declaration()
