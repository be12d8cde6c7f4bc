"""The command line of `run`: what is wrong with it, and with what it finds, has a status and a next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.cli import main, run
from conformance.cli.exits import HARNESS, NOT_VERIFIED, USAGE

TARGET = ("--target", "127.0.0.1:9")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--target HOST:PORT"),
        (("--adapter", " "), "names no program"),
        (("--adapter", "true", "--node-id", "myc1x"), "add --target"),
        ((*TARGET, "--node-id", "myc1x"), "no node id"),
        ((*TARGET, "--seed", "zz"), "--seed is no hex"),
        ((*TARGET, "--mutants"), "add --report DIR"),
        ((*TARGET, "--set", "node"), "add --adapter CMD"),
        (("--target", "127.0.0.1"), "is not HOST:PORT"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *options]) == USAGE
    assert said in capsys.readouterr().err


def test_a_key_has_32_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "key"
    file.write_text("00ff\n")
    assert main(["run", *TARGET, "--key", str(file)]) == USAGE
    assert "64 hex digits" in capsys.readouterr().err


def test_an_address_that_is_none_is_nobodys_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "no-such-host.invalid:1", "--tier", "smoke"]) == NOT_VERIFIED
    assert "Nothing can be sent there" in capsys.readouterr().out


def test_a_fault_of_the_suite_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(run, "_problem", fails)
    assert main(["run", *TARGET]) == HARNESS
    assert "says nothing of the node" in capsys.readouterr().err
