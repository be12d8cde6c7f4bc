"""Calls read again: what was asked of whom, and what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance import dcbor, framing, shapes, signing
from conformance.members import Member, Proof, Standing
from conformance.vectors.networks import Networks
from conformance.wire.transcript import By

from .expect import Expectation
from .finding import Finding, Verdict
from .record import Frame, LinkRecord, Record

PROVE, SHOW, JOIN, REVOKE, RESERVE, SETTLE, BALANCE, FIND, ANNOUNCE, REPORT = range(1, 11)
RULES = {
    PROVE: ("prove", "proved"),
    SHOW: ("show", "empty"),
    JOIN: ("join", "joined"),
    REVOKE: ("revoke", "empty"),
    RESERVE: ("reserve", "reserved"),
    SETTLE: ("settle", "settled"),
    BALANCE: ("balance", "balanced"),
    FIND: ("find", "found"),
    ANNOUNCE: ("announce", "empty"),
    REPORT: ("report", "empty"),
}
"""The rules of arguments and result of each procedure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: CALL, and RESULT or ERROR where one came."""

    link: LinkRecord
    frame: Frame
    answer: Frame | None

    @property
    def procedure(self) -> int:
        """The number of what is asked for; -1 where there is none."""
        number = self.frame.get(0)
        return number if isinstance(number, int) else -1

    @property
    def arguments(self) -> dict[int, Any]:
        """Its arguments; empty where they are not of their rule."""
        return _of_rule(RULES.get(self.procedure, ("", ""))[0], self.frame.get(1))

    @property
    def gave(self) -> bool:
        """Whether RESULT came."""
        return self.answer is not None and self.answer.kind == framing.RESULT

    @property
    def result(self) -> dict[int, Any]:
        """The result; empty where there is none of its rule."""
        return _of_rule(RULES.get(self.procedure, ("", ""))[1], self.answer.get(0)) if self.answer is not None else {}

    @property
    def is_of_rule(self) -> bool:
        """Whether a RESULT came that has its shape."""
        rule = RULES.get(self.procedure, ("", ""))[1]
        if not rule or self.answer is None or self.answer.kind != framing.RESULT:
            return False
        return shapes.broken(rule, _item(self.answer.get(0))) is None


def calls(link: LinkRecord, by: By) -> Iterator[Call]:
    """Every call of one side, in order."""
    other: By = "target" if by == "suite" else "suite"
    last = (framing.RESULT, framing.ERROR)
    for frame in link.of(by):
        if frame.kind == framing.CALL and frame.number == 0:
            answer = next((each for each in link.of(other, frame.stream) if each.kind in last), None)
            yield Call(link=link, frame=frame, answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one side has proved of itself, and from which event on the other knows it."""

    event: int
    standing: Standing
    member: Member


def proved(record: Record, link: LinkRecord, by: By) -> Iterator[Shown]:
    """What ``by`` proved as the callee of PROVE."""
    other: By = "target" if by == "suite" else "suite"
    key = link.target_key if by == "target" else _suite_key(link)
    for call in calls(link, other):
        if call.procedure != PROVE or not call.result or call.answer is None:
            continue
        shown, event = call.result, call.answer.event
        proof = Proof(membership=shown[1], certificate=shown.get(2))
        # What is shown with a descriptor that is not good is judged by the one that is known.
        for descriptor in [shown[0], *_descriptors(record, event)]:
            if shapes.broken("descriptor-body", _item(descriptor[0])) is None:
                standing = Standing(descriptor=descriptor, roll=shown[3])
                member = standing.member(Networks(), proof, key, clock(record, event))
                if member is not None:
                    yield Shown(event=event, standing=standing, member=member)


def clock(record: Record, event: int) -> float:
    """Seconds since 1970 by the target's clock at an event."""
    ahead = sum(
        each.facts["options"]["seconds"]
        for index, each in record.events()
        if each.what == "adapter" and each.by == "suite" and each.facts.get("verb") == "clock"
        and index < event
    )  # fmt: skip
    began = record.transcript.header.get("began", 0)
    return float(began + record.transcript.events[event].at + ahead)


def joined(record: Record, before: int) -> set[bytes]:
    """The networks in which the adapter has put its node, or that it has made."""
    made = {
        bytes.fromhex(event.facts["result"]["network"])
        for index, event in record.events()
        if event.what == "adapter" and event.by == "target" and event.facts.get("verb") == "create-network"
        if index < before and "result" in event.facts
    }
    return made | {network_of(each) for each in _descriptors(record, before)}


def _descriptors(record: Record, before: int) -> list[Any]:
    """The descriptors of the networks in which the adapter has put its node, the newest first."""
    return [
        _item(bytes.fromhex(event.facts["options"]["descriptor"]))
        for index, event in record.events()
        if event.what == "adapter" and event.by == "suite" and event.facts.get("verb") == "join" and index < before
    ][::-1]


def _suite_key(link: LinkRecord) -> bytes:
    first = next((each for each in link.of("suite") if each.kind == framing.HELLO), None)
    signed: Any = first.value if first is not None else None
    value = _item(signed[0]) if shapes.is_signed(signed) else None
    return value.get(1, b"") if isinstance(value, dict) else b""


@dataclass(frozen=True, slots=True)
class Gives(Expectation):
    """Every call of the suite's is answered with a RESULT of its rule, but for one on which a fault was committed."""

    def describe(self) -> str:
        """For people."""
        return "every call is answered with its result"

    def judge(self, record: Record) -> Iterator[Finding]:
        """Each call."""
        found = [each for link in record.links for each in calls(link, "suite")]
        if not found:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was called")
        for each in found:
            if each.frame.event > record.fault_at:
                return
            if each.answer is None or not each.is_of_rule:
                message = f"a call of procedure {each.procedure} has no result of its rule"
                event = each.frame.event if each.answer is None else each.answer.event
                yield Finding(verdict=Verdict.FAIL, message=message, event=event)


def network_of(signed: Any) -> bytes:
    """The network of a descriptor; empty where it is none."""
    value: Any = _item(signed[0]) if shapes.is_signed(signed) else None
    return signing.rooted(value[0]) if shapes.broken("descriptor-body", value) is None else b""


def terms_of(signed: Any, rule: str) -> dict[int, Any]:
    """The body of a signed object; empty where it is not of its rule."""
    return _of_rule(rule, signed[0]) if shapes.is_signed(signed) else {}


def _of_rule(rule: str, encoded: object) -> dict[int, Any]:
    value = _item(encoded)
    return value if rule and shapes.broken(rule, value) is None else {}


def _item(encoded: object) -> Any:
    try:
        return dcbor.decode(encoded) if isinstance(encoded, bytes) else None
    except dcbor.NotDeterministicError:
        return None
