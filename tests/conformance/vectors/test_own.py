"""The conformance suite on the vectors: it passes them all, on its own, and notices what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from conformance import cli, data
from conformance.vectors import runner
from conformance.vectors.runner import FAMILIES, Result, run
from spec.vectors.generate import families


def test_every_vector_passes() -> None:
    failures = [f"{result.family}/{result.case}: {result.failure}" for result in run() if result.failure]
    assert failures == []
    assert FAMILIES.keys() == families.FAMILIES.keys()


def test_it_shares_no_code_with_the_protocol() -> None:
    program = "import sys, conformance.cli as c; s = c.main(['vectors']); print(*sys.modules); sys.exit(s)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"mycellm_proto", "reference_node", "spec", "tests", "nacl"}


def turned(case: dict[str, Any]) -> dict[str, Any]:
    """``case`` with another outcome than the right one."""
    expect = case["expect"]
    if "end" in expect:
        return {**case, "expect": {**expect, "owed": expect["owed"] + 1}}
    if expect["verdict"] == "reject":
        return {**case, "expect": {"verdict": "accept"}}
    if len(expect) == 1:
        return {**case, "expect": {"verdict": "reject"}}
    key = next(name for name in expect if name != "verdict")
    return {**case, "expect": {**expect, key: "turned"}}


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"ticks"}))
def test_a_turned_outcome_fails(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [turned(case) for case in data.family(family)]
    monkeypatch.setattr(runner, "cases_of", lambda _: cases)
    assert [result.case for result in run(family) if not result.failure] == []


def test_a_case_that_breaks_the_suite_fails_and_the_others_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [{"id": "broken", "requirements": [], "expect": {}}, *data.family("nodeid")[:1]]
    monkeypatch.setattr(runner, "cases_of", lambda _: cases)
    broken, good = run("nodeid")
    assert broken.failure is not None
    assert "the suite itself failed" in broken.failure
    assert good.failure is None


def test_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vectors", "--family", "nodeid"]) == 0
    assert "all 25 cases passed" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        cli.main(["vectors", "--family", "nothing"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 2
    monkeypatch.setattr(cli, "run", lambda _: [])
    assert cli.main(["vectors"]) == 1
    failed = Result(family="nodeid", case="a", requirements=("KEY-005~1",), failure="no")
    monkeypatch.setattr(cli, "run", lambda _: [failed])
    assert cli.main(["vectors"]) == 1


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vectors", "--family", "exporter", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {case["verdict"] for case in report["cases"]} == {"pass"}
    assert report["cases"][0]["requirements"] == ["HSK-001~1"]
