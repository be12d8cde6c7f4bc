"""Peers that mean the suite ill: whatever they send, no case ends with a fault of the suite."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from conformance.case import Case
from conformance.cases.registry import cases
from conformance.entropy import Entropy
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.honest.port import Port
from conformance.judge import record
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.running.memory import transcript_of
from conformance.script.frames import drawn
from conformance.wire import link
from conformance.wire.transcript import Transcript, dump, load

ALL = [case for case in cases().values() if case.role == "responder" and not case.needs]


class Noise(Connection):
    """Answers everything with random bytes on random streams."""

    def opened(self) -> None:
        self.babble()

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        self.babble()

    def was_reset(self, stream: int) -> None:
        self.babble()

    def babble(self) -> None:
        entropy = self.node.entropy
        for _ in range(entropy.below(4)):
            self.port.write(entropy.below(16), entropy.take(entropy.below(200)), fin=not entropy.below(8))


class BabblingBehindHello(Noise):
    """Greets, and then answers everything with random bytes."""

    def opened(self) -> None:
        self.greet()


class Resetting(Connection):
    """Resets and stops every stream that it hears of, its own among them."""

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        for each in (stream, self.own_control):
            self.port.reset(each, 2**62 - 1)
            self.port.stop(each, 0)


class Hasty(Connection):
    """Closes at once, with a code and words of its own."""

    def opened(self) -> None:
        self.port.close(2**62 - 1, "\0\x1b[2J" + "x" * 500)


class Leaving(Connection):
    """Closes at the first frame of a request."""

    def request_data(self, stream: int, data: bytes, fin: bool) -> None:
        self.fail(0)


class Flooding(Connection):
    """Says HELLO, and then more than anybody wants to hear."""

    piece: ClassVar[bytes] = bytes(1 << 16)

    def opened(self) -> None:
        self.greet()
        for _ in range(100):
            self.port.write(self.own_control, self.piece)


class _Damaging:
    """A port through which now and then something else goes than was written."""

    def __init__(self, port: Port, entropy: Entropy) -> None:
        self._port = port
        self._entropy = entropy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def write(self, stream: int, data: bytes, fin: bool = False) -> None:
        if data and not self._entropy.below(5):
            data = drawn(self._entropy)(data, len(data) + 100)
        self._port.write(stream, data, fin=fin != (not self._entropy.below(40)))


class Damaged(Connection):
    """An honest node behind a line that changes bytes."""

    def __init__(self, node: Node, port: Port, *more: Any) -> None:
        super().__init__(node, _Damaging(port, node.entropy), *more)


class DamagedHello(Damaged):
    """The same, with another value in HELLO now and then, which is signed: what gets further."""

    def say_hello(self, body: dict[int, Any]) -> None:
        entropy = self.node.entropy
        if not entropy.below(3):
            body = {**body, entropy.below(8): [None, "", b"", -1, 2**64 - 1, {}, []][entropy.below(7)]}
        super().say_hello(body)


def checked(case: Case, transcript: Transcript) -> Verdict:
    """The verdict, which is the same for the transcript that was written down."""
    judgement = judge(case, transcript)
    messages = [each.message for each in judgement.findings]
    assert judgement.verdict is not Verdict.HARNESS_ERROR, messages
    assert judge(case, load(dump(transcript))).findings == judgement.findings
    return judgement.verdict


@pytest.mark.parametrize("rogue", [Noise, BabblingBehindHello, Resetting, Hasty])
def test_a_rogue_neither_breaks_the_suite_nor_passes(rogue: type[Connection]) -> None:
    passed = [case.id for case in ALL if checked(case, transcript_of(case, Node, rogue)) is Verdict.PASS]
    assert len(passed) < len(ALL) / 8, passed


@pytest.mark.parametrize(
    ("rogue", "seed"), [(Damaged, b"one"), (Damaged, b"two"), (DamagedHello, b"one"), (Leaving, b"one")]
)
def test_damaged_bytes_do_not_break_the_suite(rogue: type[Connection], seed: bytes) -> None:
    verdicts = {checked(case, transcript_of(case, Node, rogue, seed=seed)) for case in ALL}
    assert Verdict.FAIL in verdicts


CASE = cases()["handshake/accept-pinned"]


def test_a_flood_is_cut_off_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_BYTES", 1 << 20)
    transcript = transcript_of(CASE, Node, Flooding)
    assert sum(len(event.data) for event in transcript.events if event.by == "target") < 2 << 20
    assert [event.what for event in transcript.events].count("flood") == 1
    assert "more than the suite keeps" in told(transcript)


def test_many_small_events_are_a_flood_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_EVENTS", 50)
    monkeypatch.setattr(Flooding, "piece", b"\x00")
    transcript = transcript_of(CASE, Node, Flooding)
    assert sum(event.by == "target" for event in transcript.events) == 50
    assert "more than the suite keeps" in told(transcript)


def test_frames_without_number_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_FRAMES", 1000)
    transcript = transcript_of(CASE, Node, Flooding)
    assert len(record.read(transcript).links[0].frames) == 1000
    assert "more frames on one connection" in told(transcript)


def told(transcript: Transcript) -> str:
    """What the judge says of a case that fails."""
    judgement = judge(CASE, transcript)
    assert judgement.verdict is Verdict.FAIL
    return " ".join(finding.message for finding in judgement.findings)
