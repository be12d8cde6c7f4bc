"""Family ``accumulated``: many random values, encoded and framed, in one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from mycellm_proto.codec import Value, decode, encode
from mycellm_proto.framing import FrameReader, encode_frame

from .family import HEX, NUMBER, TEXT, DisagreementError, Family, Json, accept, case, record

_DEPTH = 4
_MOST = 1 << 20
"""Bytes of SHAKE-256 that a case may use up."""


class _Source:
    """Numbers and values from the output of SHAKE-256, first byte first."""

    def __init__(self, seed: str) -> None:
        self._bytes = hashlib.shake_256(seed.encode()).digest(_MOST)
        self._position = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        taken = self._bytes[self._position : self._position + size]
        self._position += size
        if len(taken) < size:
            raise DisagreementError("the case wants more bytes than there are")
        return taken

    def below(self, most: int) -> int:
        """One byte, modulo ``most``."""
        return self.take(1)[0] % most

    def unsigned(self) -> int:
        """An integer of 0 to 8 bytes."""
        return int.from_bytes(self.take(self.below(9)), "big")

    def character(self) -> str:
        """One code point; U+FFFD for a surrogate."""
        point = int.from_bytes(self.take(3), "big") % 0x110000
        return "\ufffd" if 0xD800 <= point <= 0xDFFF else chr(point)

    def value(self, depth: int) -> Value:
        """A value of at most ``depth`` containers within each other."""
        kinds: tuple[Callable[[], Value], ...] = (
            self.unsigned,
            lambda: -1 - self.unsigned(),
            lambda: self.take(self.below(40)),
            lambda: "".join(self.character() for _ in range(self.below(20))),
            lambda: (False, True, None)[self.below(3)],
            lambda: [self.value(depth - 1) for _ in range(self.below(6))],
            lambda: self._map(depth),
        )
        return kinds[self.below(7 if depth else 5)]()

    def _map(self, depth: int) -> Value:
        entries: dict[int, Value] = {}
        for _ in range(self.below(6)):
            key = self.unsigned()
            entries[key] = self.value(depth - 1)
        return entries


def _digest(seed: str, count: int) -> dict[str, Json]:
    source = _Source(seed)
    stream = bytearray()
    for _ in range(count):
        kind = source.unsigned() % (1 << 62)
        body = encode(source.value(_DEPTH))
        if encode(decode(body)) != body:
            raise DisagreementError(body.hex())
        frame = encode_frame(kind, body)
        if [(each.type, each.body) for each in FrameReader({}, _MOST).feed(frame)] != [(kind, body)]:
            raise DisagreementError(frame.hex())
        stream += frame
    return accept(bytes=len(stream), sha256=hashlib.sha256(stream).hexdigest())


def _cases() -> list[dict[str, Json]]:
    made = []
    for count in (1, 2, 10, 100, 2000):
        seed = "mycellm vectors: accumulated"
        requirements = "ENC-001~1 ENC-002~1 ENC-003~1 FRM-001~1 FRM-002~1"
        made.append(case(f"first-{count}", requirements, seed=seed, count=count, expect=_digest(seed, count)))
    return made


FAMILY = Family(
    name="accumulated",
    description="A stream of pseudo-random frames, reduced to one digest: two encoders that reach it agree on all.",
    notes=(
        "Let S be the output of SHAKE-256 over the bytes of seed. Bytes are taken from S in order, never twice."
        " below(n) is the next byte modulo n. unsigned is the big-endian integer of the next below(9) bytes.",
        "value(d) takes kind = below(7), or below(5) where d is 0. Kind 0: unsigned. 1: -1 - unsigned. 2: the next"
        " below(40) bytes, as a byte string. 3: a text of below(20) characters; each is the big-endian integer of the"
        " next 3 bytes modulo 1,114,112, or U+FFFD where that is a surrogate. 4: false, true or null, by below(3).",
        "Kind 5: an array of below(6) elements, each value(d - 1). Kind 6: a map; below(6) times, take a key, unsigned,"
        " then its value, value(d - 1), which replaces that of an equal key before it.",
        "count times: take the frame's type, unsigned modulo 2^62, and its body, the encoding of value(4). expect has"
        " the number of bytes of all these frames, and the SHA-256 over them.",
    ),
    verification=(
        "Implement the generator that the notes describe (about 40 lines), and compare the digest.",
        "The first cases are one and two frames long: they find a mistake in the generator itself.",
        "The limits of frame types do not apply here.",
    ),
    schema={
        "seed": TEXT,
        "count": NUMBER,
        "expect": record(verdict={"const": "accept"}, bytes=NUMBER, sha256=HEX),
    },
    cases=_cases,
)
