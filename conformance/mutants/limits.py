"""Responders that keep other limits, or none."""

from __future__ import annotations

from conformance import framing
from conformance.data import limit
from conformance.honest.connection import Connection
from conformance.honest.provider import Provider
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, provider_with, skipping


def _waits_for_what_it_knows(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    """Takes the largest limit for all: whatever a REQUEST may have, any frame may have."""
    head = data[:12]
    try:
        framing.read_frames(head)
    except framing.FrameError as error:
        if error.code == "FRAME_TOO_LARGE" and head[0] < 0xC0:
            return
    Connection.received(self, stream, data, fin)


def _takes_small_models(self: Connection, kind: int, body: bytes) -> None:
    if len(body) > limit("MAX_MODELS") // 2:
        raise FailError("FRAME_TOO_LARGE")
    Connection.control_frame(self, kind, body)


def _takes_small_requests(self: Provider, kind: int, body: bytes) -> None:
    if len(body) > limit("MAX_REQUEST") // 2:
        raise FailError("FRAME_TOO_LARGE")
    Provider.received(self, kind, body)


def _takes_tiny_frames(self: Provider, kind: int, body: bytes) -> None:
    if framing.is_unknown(kind) and len(body) > limit("MAX_SMALL") // 2:
        raise FailError("FRAME_TOO_LARGE")
    Provider.received(self, kind, body)


MUTANTS = (
    Mutant(
        slug="has-one-limit-for-all",
        page="Lets every frame have as many bytes as a REQUEST may have.",
        breaks=("FRM-005~1", "FRM-009~1"),
        kills=(
            "limits/reject-large-models",
            "limits/reject-large-request",
            "limits/reject-large-tick",
            "limits/reject-large-cancel",
            "limits/reject-large-error",
            "limits/reject-large-unknown-first-frame",
            "limits/reject-large-unknown-odd-on-control",
            "limits/reject-large-unknown-even-on-control",
            "limits/reject-large-unknown-odd-in-answer",
        ),
        connection=connection_with(received=_waits_for_what_it_knows),
    ),
    Mutant(
        slug="trusts-strangers-with-large-frames",
        page="Keeps as much of a stranger's frame as of a known peer's, before anybody has shown who it is.",
        breaks=("FRM-009~1",),
        kills=("limits/reject-large-models-before-hello", "limits/reject-large-request-before-hello"),
        node=skipping("FRM-009"),
        row=10,
    ),
    Mutant(
        slug="keeps-any-number-of-halves",
        page="Keeps as many unfinished requests as anybody begins.",
        breaks=("FRM-006~1",),
        kills=("limits/reject-unfinished-requests",),
        node=skipping("FRM-006"),
        row=18,
    ),
    Mutant(
        slug="takes-small-models-only",
        page="Fails where MODELS has more than half of what it may have.",
        breaks=("FRM-005~1",),
        kills=("limits/accept-largest-models",),
        connection=connection_with(control_frame=_takes_small_models),
    ),
    Mutant(
        slug="takes-small-requests-only",
        page="Fails where REQUEST has more than half of what it may have.",
        breaks=("FRM-005~1",),
        kills=("limits/accept-largest-request",),
        connection=provider_with(received=_takes_small_requests),
    ),
    Mutant(
        slug="takes-tiny-frames-only",
        page="Fails where a frame of a reserved type has more than half of what it may have.",
        breaks=("EXT-007~1",),
        kills=("limits/accept-largest-small-frames",),
        connection=provider_with(received=_takes_tiny_frames),
    ),
)
