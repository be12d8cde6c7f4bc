"""`run --report`, `run --json` and `diff`, through the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.cli import run as command
from conformance.entropy import Entropy
from conformance.honest.node import Node
from conformance.mutants.mutant import skipping
from conformance.mutants.registry import mutants
from conformance.report.document import document, load
from conformance.report.write import text
from conformance.running.live import Place
from conformance.running.matrix import kills
from conformance.running.memory import MemoryEnvironment

from .runs import FACTS, FLIPPED, PINNED, run_of

Make = Callable[[Entropy], Node]
RUN = ("run", "--target", "192.0.2.1:7400", "--seed", "07")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Callable[[Make], None]:
    """Lets `run` meet a node in memory."""

    def put(make: Make) -> None:
        @asynccontextmanager
        async def opened(_: Place) -> AsyncIterator[MemoryEnvironment]:
            yield MemoryEnvironment(make, seed=b"target")

        monkeypatch.setattr(Place, "opened", opened)

    return put


def test_run_writes_the_report_and_prints_the_verdict(
    target: Callable[[Make], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target(Node)
    assert main([*RUN, "--filter", PINNED, "--report", str(tmp_path / "report")]) == 0
    said = capsys.readouterr()
    assert said.err == "", "where nobody looks at a terminal, nothing moves"
    assert said.out.splitlines()[-2] == "1 pass"
    assert said.out.splitlines()[-1].startswith("CONFORMANT (set responder, tier core")
    names = {each.name for each in (tmp_path / "report").iterdir()}
    assert names == {"report.json", "transcripts", "index.html", "junit.xml", "badge.svg"}
    assert load(tmp_path / "report")["suite"]["seed"] == "07"


def test_a_failure_is_printed_once(
    target: Callable[[Make], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target(skipping("HSK-006"))
    case = "handshake/reject-small-order-key"
    assert main([*RUN, "--filter", case, "--report", str(tmp_path / "report")]) == 1
    assert capsys.readouterr().out.count(f"FAIL           {case}") == 1


def test_json_is_the_document_and_nothing_else(
    target: Callable[[Make], None], capsys: pytest.CaptureFixture[str]
) -> None:
    target(Node)
    assert main([*RUN, "--filter", PINNED, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in made["cases"]] == [PINNED]
    assert made["suite"]["command"] == (
        f"python3 -m conformance run --target 192.0.2.1:7400 --seed 07 --tier core --filter {PINNED}"
    )


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    assert main([*RUN, "--filter", PINNED, "--report", str(tmp_path)]) == 2
    assert "is no report" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_suites_own_report_has_the_kill_matrix(
    target: Callable[[Make], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target(Node)
    monkeypatch.setattr(command, "live_kills", lambda: kills(mutants()["handshake/greets-second"]))
    assert main([*RUN, "--filter", PINNED, "--mutants"]) == 2
    assert "--report" in capsys.readouterr().err
    assert main([*RUN, "--filter", PINNED, "--mutants", "--report", str(tmp_path / "report")]) == 0
    assert "<strong>1 of 1</strong> are caught" in (tmp_path / "report/index.html").read_text(encoding="utf-8")


HONEST = document(run_of(), FACTS)
FAILED = document(run_of(node=skipping("HSK-006")), FACTS)
NARROW = document(run_of((PINNED,)), FACTS)


def renamed() -> dict[str, Any]:
    """The honest report of a suite that calls a case otherwise, with a note of another specification."""
    made = deepcopy(HONEST)
    for case in made["cases"]:
        case["id"] = case["id"].replace("bad-signature", "wrong-signature")
    made["spec"]["lock"] = "0" * 64
    return made


@pytest.mark.parametrize(
    ("reports", "status", "says"),
    [
        ((HONEST, HONEST), 0, ["nothing got worse"]),
        ((HONEST, FAILED), 1, [f"worse   {FLIPPED}: pass -> fail", "worse   HSK-006~1: kept -> broken", "3 got worse"]),
        ((FAILED, HONEST), 0, [f"better  {FLIPPED}: fail -> pass", "better  verdict: NOT CONFORMANT -> CONFORMANT"]),
        ((HONEST, NARROW), 1, [f"gone    {FLIPPED}: pass", "worse   HSK-006~1: kept -> not run"]),
        ((NARROW, HONEST), 0, [f"new     {FLIPPED}: pass", "better  HSK-006~1: not run -> kept"]),
        ((HONEST, renamed()), 0, ["new     handshake/reject-wrong-signature: pass", "another specification"]),
    ],
    ids=["same", "worse", "better", "narrower", "wider", "renamed"],
)
def test_diff(
    reports: tuple[Any, Any], status: int, says: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / "old.json"), str(tmp_path / "new.json")]
    for file, made in zip(files, reports, strict=True):
        Path(file).write_text(text(made))
    assert main(["diff", *files]) == status
    said = capsys.readouterr().out
    assert [each for each in says if each not in said] == []
    assert main(["diff", "--json", *files]) == status
    assert bool(json.loads(capsys.readouterr().out)["regressions"]) is bool(status)


def test_diff_of_what_is_no_report_is_a_wrong_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text("{}")
    good = tmp_path / "good.json"
    good.write_text(text(HONEST))
    for wrong in (tmp_path, tmp_path / "nothing", tmp_path / "report.json"):
        assert main(["diff", str(good), str(wrong)]) == 2
        assert "report" in capsys.readouterr().err
