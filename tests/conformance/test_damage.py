"""Transcripts in which well-formed frames hold values that no rule allows: whatever they are, the judge can say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conformance import dcbor, framing
from conformance.case import Case
from conformance.cases.registry import cases
from conformance.entropy import Entropy
from conformance.honest.node import Node
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.running.memory import transcript_of
from conformance.wire.transcript import Event

ROUNDS = 12
ODD: tuple[Any, ...] = (None, 0, -1, 2**64 - 1, "x", b"", [], {}, True, [b"", bytes(64)], bytes(32))
QUICK = [each for each in cases().values() if each.tier != "full" and not each.items]


def changed(value: Any, entropy: Entropy) -> Any:
    """``value`` with another value somewhere in it, gone into where a byte string holds an item."""
    if isinstance(value, dict) and value and entropy.below(8):
        key = list(value)[entropy.below(len(value))]
        return {**value, key: changed(value[key], entropy)}
    if isinstance(value, list) and value and entropy.below(8):
        place = entropy.below(len(value))
        return [*value[:place], changed(value[place], entropy), *value[place + 1 :]]
    if isinstance(value, bytes) and len(value) > 64 and dcbor.is_item(value):
        return dcbor.encode(changed(dcbor.decode(value), entropy))
    return ODD[entropy.below(len(ODD))]


def damaged(event: Event, entropy: Entropy) -> Event:
    """The event with another value in one of its frames, or with that frame twice."""
    try:
        frames, left = framing.read_frames(event.data)
    except framing.FrameError:
        return event
    known = [place for place, (kind, body) in enumerate(frames) if not framing.is_unknown(kind) and dcbor.is_item(body)]
    if left or not known:
        return event
    place = known[entropy.below(len(known))]
    kind, body = frames[place]
    odd = (kind, dcbor.encode(changed(dcbor.decode(body), entropy)))
    frames[place : place + 1] = [odd] if entropy.below(4) else [odd, (kind, body)]
    return replace(event, data=b"".join(framing.write_frame(*each) for each in frames))


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.id)
def test_the_judge_can_read_whatever_a_target_writes(case: Case) -> None:
    transcript = transcript_of(case, Node)
    theirs = [place for place, each in enumerate(transcript.events) if each.by == "target" and each.what == "data"]
    entropy = Entropy(b"damage", case.id)
    for _ in range(ROUNDS if theirs else 0):
        events = list(transcript.events)
        for _ in range(1 + entropy.below(2)):
            place = theirs[entropy.below(len(theirs))]
            events[place] = damaged(events[place], entropy)
        judgement = judge(case, replace(transcript, events=tuple(events)))
        assert judgement.verdict is not Verdict.HARNESS_ERROR, [each.message for each in judgement.findings]
