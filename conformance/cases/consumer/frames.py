"""Frames of an answer that are out of place or out of shape."""

from __future__ import annotations

import asyncio

from conformance import framing
from conformance.data import limit
from conformance.judge.expect import Fails
from conformance.script.closing import end_with
from conformance.script.faults import Fault
from conformance.script.session import Session

from .common import SETTLE, add, begin


async def _misplace(session: Session) -> None:
    """One frame that is out of place or out of shape."""
    _, serving = await begin(session)
    if session.fault is not Fault.ANSWER_CHUNK_BEFORE_ACCEPT:
        serving.accept()
        await serving.paid()
        await asyncio.sleep(SETTLE)
    serving.commits(session.fault)
    if session.fault is Fault.ANSWER_ACCEPT_TWICE:
        serving.accept()
    elif session.fault is Fault.ANSWER_UNKNOWN_EVEN_TYPE:
        serving.side.link.write(serving.stream, framing.write_frame(1000, b""))
    elif session.fault is Fault.ANSWER_CHUNK_OVERSIZED:
        serving.write(framing.CHUNK, {0: "x" * limit("MAX_CHUNK"), 1: 1})
    elif session.fault is Fault.ANSWER_CHUNK_NOT_DETERMINISTIC:
        serving.side.link.write(serving.stream, framing.write_frame(framing.CHUNK, bytes.fromhex("a20101006161")))
    elif session.fault is Fault.ANSWER_CHUNK_UNKNOWN_EVEN_KEY:
        serving.write(framing.CHUNK, {0: "a", 1: 1, 2: None})
    elif session.fault is Fault.ANSWER_END_NOT_SIGNED_OBJECT:
        end_with(session.fault, serving)
    else:
        serving.chunk()
    await serving.side.rest(within=3)


for _slug, _fault, _code, _requirement, _page in (
    ("chunk-before-accept", Fault.ANSWER_CHUNK_BEFORE_ACCEPT, "UNEXPECTED_FRAME", "STM-001~1",
     "Text comes before the provider has said what the prompt costs."),
    ("second-accept", Fault.ANSWER_ACCEPT_TWICE, "UNEXPECTED_FRAME", "STM-001~1", "ACCEPT comes twice."),
    ("unknown-even-type", Fault.ANSWER_UNKNOWN_EVEN_TYPE, "UNKNOWN_FRAME", "EXT-002~1",
     "A frame of an unknown even type among those of the answer."),
    ("oversized-chunk", Fault.ANSWER_CHUNK_OVERSIZED, "FRAME_TOO_LARGE", "FRM-005~1",
     "A CHUNK of more than 16 KiB."),
    ("chunk-not-deterministic", Fault.ANSWER_CHUNK_NOT_DETERMINISTIC, "ENCODING", "ENC-013~1",
     "The keys of a CHUNK do not ascend."),
    ("chunk-with-unknown-even-key", Fault.ANSWER_CHUNK_UNKNOWN_EVEN_KEY, "ENCODING", "EXT-001~1",
     "A CHUNK holds a key that its reader would have to understand."),
    ("end-without-signature", Fault.ANSWER_END_NOT_SIGNED_OBJECT, "ENCODING", "FRM-008~1",
     "END holds the close itself, unsigned."),
):  # fmt: skip
    add(
        f"reject-{_slug}",
        _requirement,
        expect=Fails(
            _code,
            "request" if _fault is Fault.ANSWER_CHUNK_BEFORE_ACCEPT else "closing" if "end" in _slug else "answer",
        ),
        fault=_fault,
        page=_page,
        script=_misplace,
    )
