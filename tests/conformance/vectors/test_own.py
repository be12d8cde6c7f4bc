"""The suite's own implementation on the vectors: it passes them all, on its own, and notices what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from conformance import cli, data
from conformance.vectors import cases, command
from conformance.vectors.cases import Vector, select, vectors_of
from conformance.vectors.implementation import FAMILIES, Implementation
from conformance.vectors.judge import Verdict, judge
from spec.vectors.generate import families


def test_the_families_are_those_of_the_vectors_in_their_order() -> None:
    assert tuple(families.FAMILIES) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_every_vector_passes(family: str) -> None:
    ours = Implementation()
    for vector in vectors_of(family):
        assert judge(vector, ours.derive).verdict is Verdict.PASS, vector.id
        assert ours.intermediate(family, vector.inputs) == vector.intermediate, vector.id


def test_it_shares_no_code_with_the_protocol() -> None:
    program = "import sys, conformance.cli as c; s = c.main(['vectors']); print(*sys.modules); sys.exit(s)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"mycellm_proto", "reference_node", "spec", "tests", "nacl"}


def turned(vector: Vector) -> Vector:
    """``vector`` with another outcome than the right one."""
    expect = vector.expect
    if "end" in expect:
        return replace(vector, expect={**expect, "owed": expect["owed"] + 1})
    if expect["verdict"] == "reject":
        return replace(vector, expect={"verdict": "accept"})
    if len(expect) == 1:
        return replace(vector, expect={"verdict": "reject"})
    key = next(name for name in expect if name != "verdict")
    return replace(vector, expect={**expect, key: "turned"})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_turned_outcome_fails(family: str) -> None:
    ours = Implementation()
    for vector in vectors_of(family):
        assert judge(turned(vector), ours.derive).verdict is Verdict.FAIL, vector.id


def test_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vectors", "--family", "nodeid"]) == 0
    assert "PASSED: 29 of 29 cases passed" in capsys.readouterr().out
    first, *rest = vectors_of("nodeid")
    monkeypatch.setattr(command, "select", lambda *_: [turned(first), *rest])
    assert cli.main(["vectors"]) == 1
    assert f"FAIL {first.id} [KEY-006~1]: public is" in capsys.readouterr().out
    monkeypatch.setattr(command, "select", lambda *_: [replace(first, intermediate={"hash": ""}), *rest])
    assert cli.main(["vectors"]) == 1
    assert "what is shown as intermediate does not follow" in capsys.readouterr().out
    monkeypatch.setattr(command, "select", lambda *_: [])
    assert cli.main(["vectors"]) == 3


def test_a_case_that_breaks_the_suite_is_a_fault_of_the_suite_and_the_others_are_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = vectors_of("nodeid")
    monkeypatch.setattr(command, "select", lambda *_: [replace(first, inputs={}), *rest])
    assert cli.main(["vectors"]) == 4
    out = capsys.readouterr().out
    assert "the suite itself failed" in out
    assert "28 of 29 cases passed" in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["vectors", "--family", "nothing"],
        ["vectors", "--filter", "nothing/*"],
        ["vectors", "--family", "nodeid", "--filter", "hello/*"],
        ["vectors", "--driver", ""],
        ["vectors", "--driver", "'"],
        ["vectors", "--driver", "/nowhere/at/all"],
        ["vectors", "--timeout", "0"],
        ["vectors", "--timeout", "soon"],
    ],
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    try:
        status = cli.main(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    assert status == 2


def test_a_filter_takes_what_fits_and_an_accepted_case_along() -> None:
    assert [vector.id for vector in select(None, "nodeid/accept-*")] == [
        f"nodeid/accept-{name}" for name in ("alice", "bob", "zero", "ones")
    ]
    first, second = select("nodeid", "*/reject-hex")
    assert (first.is_rejected, second.is_rejected) == (False, True)
    assert len(select()) == sum(len(vectors_of(family)) for family in FAMILIES)


def test_without_vectors_the_command_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: str) -> None:
        raise data.DataError("no vectors here")

    monkeypatch.setattr(data, "family", missing)
    cases.vectors_of.cache_clear()
    assert cli.main(["vectors"]) == 2
    assert "no vectors here" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vectors", "--family", "exporter", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["spec"], report["driver"]) == ("passed", "1.0-draft", None)
    assert report["counts"]["pass"] == len(report["cases"]) == 8
    assert {case["verdict"] for case in report["cases"]} == {"pass"}
    assert report["cases"][0]["requirements"] == ["HSK-001~1"]
