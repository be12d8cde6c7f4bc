"""Command lines that cannot work, and runs that are given up: a sentence, and a status that says which."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conformance.cli import main, run
from conformance.honest.node import Node
from conformance.running.live import Place
from conformance.running.memory import MemoryEnvironment
from conformance.wire.link import Link, Recorder

RUN = ("run", "--target", "192.0.2.1:7400", "--filter", "handshake/accept-pinned")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seed", "xyz"], "--seed xyz is not hex"),
        (["--key", "no-such-file"], "no-such-file: No such file"),
        (["--known-failing", "no-such-file"], "no-such-file: No such file"),
        (["--node-id", "myc1foo"], "is no node id"),
        (["--adapter", "./no-such-program"], "there is no such program"),
        (["--adapter", "'"], "No closing quotation"),
        (["--set", "node"], "needs an adapter"),
        (["--filter", "handshak/*"], "no case matches"),
        (["--only", "3"], "draws an item 3"),
        (["--mutants"], "add --report DIR"),
    ],
)
def test_a_wrong_command_line_ends_in_a_sentence(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, *words]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.startswith("conformance: ")
    assert said.out == ""


def test_a_key_has_32_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("00ff")
    assert main([*RUN, "--key", str(tmp_path / "key")]) == 2
    assert "32 bytes in hex" in capsys.readouterr().err


class _Nowhere(MemoryEnvironment):
    """A target whose name nobody knows."""

    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        raise OSError(-2, "Name or service not known")


class _Interrupted(MemoryEnvironment):
    """Ctrl-C comes with the first case, after the look at the target."""

    looked = False

    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        if self.looked:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        self.looked = True
        return await super().dial(recorder, alpn=alpn, address=address)


def _meet(monkeypatch: pytest.MonkeyPatch, environment: MemoryEnvironment) -> None:
    @asynccontextmanager
    async def opened(_: Place) -> AsyncIterator[MemoryEnvironment]:
        yield environment

    monkeypatch.setattr(Place, "opened", opened)


def test_a_name_that_nobody_has_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _meet(monkeypatch, _Nowhere(Node, seed=b"nowhere"))
    assert main(RUN) == 3
    assert "nothing was run. It cannot be reached (Name or service not known)" in capsys.readouterr().out


def test_an_interrupted_run_says_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _meet(monkeypatch, _Interrupted(Node, seed=b"interrupted"))
    assert main(RUN) == 130
    assert "That is no verdict, and no report was written." in capsys.readouterr().out


def test_an_id_is_proved_at_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--adapter", "true", "--node-id", "myc1foo"]) == 2
    assert "add --target HOST:PORT" in capsys.readouterr().err


def test_a_fault_of_the_suite_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(run, "_problem", fails)
    assert main([*RUN]) == 4
    assert "says nothing of the node" in capsys.readouterr().err
