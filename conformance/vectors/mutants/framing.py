"""Mutants of SPEC.md, "Framing", and of the form of frames and signed objects."""

from __future__ import annotations

from conformance import framing
from conformance.dcbor import Item
from conformance.framing import FrameError
from conformance.vectors.implementation import Implementation

from .mutant import Careless, mutant

_LIMITS = dict.fromkeys(range(0, 26, 2), 1024) | {
    framing.MODELS: 65_536,
    framing.REQUEST: 1_048_576,
    framing.CHUNK: 16_384,
    framing.END: 4096,
    framing.CALL: 66_560,
    framing.RESULT: 66_560,
}


class _TypeFirst(Implementation):
    """Writes the type of a frame before its length."""

    def write_frame(self, kind: int, body: bytes) -> bytes:
        """A frame whose head is turned round."""
        return framing.write_varint(kind) + framing.write_varint(len(body)) + body


class _WideHeads(Implementation):
    """Writes a length always in two bytes, as one that fills it in later does."""

    def write_frame(self, kind: int, body: bytes) -> bytes:
        """A frame whose length is not in its shortest form."""
        head = (len(body) | 0x4000).to_bytes(2, "big") if len(body) < 64 else framing.write_varint(len(body))
        return head + framing.write_varint(kind) + body


class _ReadsWideHeads(Implementation):
    """Reads lengths and types in any form."""

    def read_frames(self, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
        """The frames of a stream that is first written anew, with shortest heads."""
        again, position = b"", 0
        while position < len(data):
            length, position = _varint(data, position)
            kind, position = _varint(data, position)
            again += framing.write_varint(length) + framing.write_varint(kind) + data[position : position + length]
            position += length
        return super().read_frames(again)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position``, and where it ends."""
    exponent = data[position] >> 6
    end = position + (1 << exponent)
    return int.from_bytes(data[position:end], "big") - (exponent << (8 * (1 << exponent) - 2)), end


class _OtherLimits(Implementation):
    """Has limits that are so many bytes beyond those of the registry."""

    def __init__(self, beyond: int) -> None:
        self._limits = {kind: limit + beyond for kind, limit in _LIMITS.items()}

    def read_frames(self, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
        """The frames of a stream."""
        return framing.read_frames(data, self._limits)


class _WaitsForTheBody(Implementation):
    """Looks at a length once the body is there."""

    def read_frames(self, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
        """The frames of a stream; what is too large is never whole here."""
        try:
            return super().read_frames(data)
        except FrameError as error:
            if error.code != "FRAME_TOO_LARGE":
                raise
            return [], len(data)


class _TakesMissingKeys(Implementation):
    """Does not miss what is not there."""

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong with the keys that are there."""
        found = super().broken(rule, value)
        return None if found is not None and found.startswith("no key") else found


class _LooseObjects(Implementation):
    """Takes an array of two or more as a signed object, whatever is in it."""

    def is_signed(self, value: Item) -> bool:
        """Whether it has a beginning like one."""
        return isinstance(value, list) and len(value) >= 2


_ABOVE = " ".join(
    f"reject-{name.lower()}-above-its-limit" for name in framing.NAMES if name not in ("HELLO", "COUNTERSIGN")
)

MUTANTS = (
    mutant("writes-the-type-first", "FRM-001~1", "writing: frame-accept frame-of-reserved-type", _TypeFirst()),
    mutant("writes-wide-lengths", "FRM-002~1", "writing: frame-accept frame-of-type-63", _WideHeads()),
    mutant(
        "reads-wide-heads",
        "FRM-003~1",
        "framing: reject-type-10-in-two-bytes reject-type-10-in-four-bytes reject-type-10-in-eight-bytes",
        _ReadsWideHeads(),
    ),
    mutant("limits-are-one-more", "FRM-005~1", f"framing: {_ABOVE}", _OtherLimits(1)),
    mutant(
        "limits-are-one-less",
        "FRM-005~1",
        "framing: accept-models-at-its-limit accept-request-at-its-limit accept-chunk-at-its-limit",
        _OtherLimits(-1),
    ),
    mutant(
        "waits-for-what-is-too-large",
        "FRM-005~1",
        f"framing: {_ABOVE} reject-type-7-above-its-limit reject-length-of-2-62",
        _WaitsForTheBody(),
    ),
    mutant(
        "takes-any-number-in-a-tick",
        "FRM-008~1",
        "frames: reject-tick-beyond-most reject-tick-link-31 reject-tick-link-text",
        Careless("tick"),
    ),
    mutant(
        "takes-a-truth-for-a-number",
        "FRM-008~1",
        "frames: reject-accept-true reject-accept-negative reject-accept-beyond-most",
        Careless("accept"),
    ),
    mutant(
        "misses-no-key",
        "FRM-008~1",
        "frames: reject-chunk-without-tokens reject-models-without-quotes reject-cancel-without-link",
        _TakesMissingKeys(),
    ),
    mutant(
        "takes-longer-signed-objects",
        "SIG-001~1",
        "frames: reject-hello-of-three-elements reject-hello-signature-63 reject-hello-signature-65",
        _LooseObjects(),
    ),
)
