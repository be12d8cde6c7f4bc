"""Mutants of SPEC.md, "Encoding" and of the rule for unknown keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import cbor2

from conformance import dcbor, shapes
from conformance.dcbor import Item, NotDeterministicError
from conformance.vectors.implementation import Implementation

from .mutant import mutant

_SIGNED = frozenset({"hello-responder", "hello-initiator", "quote-body", "open-body", "close-body"})


class _Forgiving(Implementation):
    """Reads over one kind of fault, as an ordinary CBOR library does."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def decode(self, data: bytes) -> Item:
        """The value, whatever the one fault."""
        try:
            return super().decode(data)
        except NotDeterministicError as error:
            if error.reason != self._reason:
                raise
        missing = bytes(16) if self._reason == "truncated" else b""  # as one that reads behind its buffer
        return cbor2.loads(data + missing, str_errors="replace")


class _NarrowReader(Implementation):
    """Reads less than it has to."""

    def __init__(self, is_too_much: Callable[[Item], bool]) -> None:
        self._is_too_much = is_too_much

    def decode(self, data: bytes) -> Item:
        """The value, unless it is too much for this reader."""
        value = super().decode(data)
        if self._is_too_much(value):
            raise NotDeterministicError("forbidden-type")
        return value


class _NormalisingReader(Implementation):
    """Brings text into a normal form."""

    def decode(self, data: bytes) -> Item:
        """The value, with another text where it is one."""
        value = super().decode(data)
        return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


class _WideWriter(Implementation):
    """Gives every number that does not fit the first byte two bytes more."""

    def encode(self, value: Item) -> bytes:
        """An encoding that is not the shortest."""
        data = super().encode(value)
        return bytes((data[0] + 1, 0)) + data[1:] if data[0] & 31 == 24 else data


class _UnsortedWriter(Implementation):
    """Writes the entries of a map as they come."""

    def encode(self, value: Item) -> bytes:
        """An encoding whose keys have any order."""
        if not isinstance(value, dict):
            return super().encode(value)
        entries = (super(_UnsortedWriter, self).encode(part) for entry in value.items() for part in entry)
        return bytes((0xA0 + len(value),)) + b"".join(entries) if len(value) < 24 else super().encode(value)


class _UndefinedWriter(Implementation):
    """Writes undefined where there is nothing."""

    def encode(self, value: Item) -> bytes:
        """An encoding with a type that the profile does not have."""
        return b"\xf7" if value is None else super().encode(value)


class _BoundlessWriter(Implementation):
    """Writes whatever it is given."""

    def encode(self, value: Item) -> bytes:
        """An encoding of any depth and size."""
        return dcbor.encode(value)


class _TakesUnknownKeys(Implementation):
    """Ignores keys that are fatal: even ones of unsigned maps, or all of signed ones."""

    def __init__(self, *, signed: bool) -> None:
        self._signed = signed

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong with the keys that are known."""
        if isinstance(value, dict) and (rule in _SIGNED) is self._signed:
            value = shapes.known(rule, value)
        return super().broken(rule, value)


class _RefusesOddKeys(Implementation):
    """Takes no unknown key at all."""

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong with all keys."""
        if isinstance(value, dict) and shapes.known(rule, value) != value:
            return "unknown key"
        return super().broken(rule, value)


def _is_above_int64(value: Item) -> bool:
    return isinstance(value, int) and not -(1 << 63) <= value < 1 << 63


def _is_16_deep(value: Item) -> bool:
    containers = [value]
    for _ in range(15):
        containers = [inner for outer in containers for inner in _within(outer) if isinstance(inner, list | dict)]
    return bool(containers)


def _within(value: Item) -> list[Item]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


MUTANTS = (
    mutant("writes-wide-numbers", "ENC-001~1", "writing: write-24 write-255 write-bytes-of-24", _WideWriter()),
    mutant(
        "writes-keys-as-they-come",
        "ENC-002~1",
        "writing: write-map-keys-descending write-map-longer-key-given-first",
        _UnsortedWriter(),
    ),
    mutant("writes-undefined-for-null", "ENC-003~1", "writing: write-null", _UndefinedWriter()),
    mutant(
        "writes-without-bounds",
        "ENC-004~1",
        "writing: reject-depth-beyond-the-greatest reject-items-beyond-the-most",
        _BoundlessWriter(),
    ),
    mutant(
        "reads-63-bit-numbers-only",
        "ENC-005~1",
        "encoding: accept-uint-18446744073709551615 accept-negative-18446744073709551616",
        _NarrowReader(_is_above_int64),
    ),
    mutant(
        "reads-15-levels-only",
        "ENC-005~1",
        "encoding: accept-array-depth-16 accept-map-depth-16",
        _NarrowReader(_is_16_deep),
    ),
    mutant("normalises-text", "ENC-005~1", "encoding: accept-text-not-normalised", _NormalisingReader()),
    mutant(
        "reads-behind-the-end",
        "ENC-010~1",
        "encoding: reject-uint8-cut reject-bytes-cut reject-array-cut reject-map-without-value",
        _Forgiving("truncated"),
    ),
    mutant(
        "ignores-trailing-bytes",
        "ENC-011~1",
        "encoding: reject-second-item reject-byte-after-map frames: reject-body-with-trailing-bytes"
        " quote: reject-body-with-trailing-byte open: reject-body-with-trailing-byte receipts: reject-trailing-byte",
        _Forgiving("trailing-bytes"),
    ),
    mutant(
        "reads-wide-numbers",
        "ENC-012~1",
        "encoding: reject-uint-23-in-two-bytes reject-text-length-in-three-bytes reject-key-in-two-bytes"
        " frames: reject-body-not-deterministic",
        _Forgiving("not-shortest"),
    ),
    mutant(
        "reads-keys-in-any-order",
        "ENC-013~1",
        "encoding: reject-keys-descending reject-key-twice reject-longer-key-first"
        " hello: reject-responder-body-not-deterministic",
        _Forgiving("key-order"),
    ),
    mutant(
        "reads-keys-of-any-type",
        "ENC-014~1",
        "encoding: reject-key-negative reject-key-text reject-key-bytes reject-key-null",
        _Forgiving("key-type"),
    ),
    mutant(
        "reads-floats-and-tags",
        "ENC-015~1",
        "encoding: reject-float16 reject-float64 reject-float16-nan reject-tag-2-bignum",
        _Forgiving("forbidden-type"),
    ),
    mutant(
        "reads-indefinite-lengths",
        "ENC-016~1",
        "encoding: reject-indefinite-bytes reject-indefinite-text reject-indefinite-array reject-indefinite-map",
        _Forgiving("indefinite"),
    ),
    mutant(
        "replaces-bad-utf8",
        "ENC-017~1",
        "encoding: reject-utf8-continuation-alone reject-utf8-overlong-two reject-utf8-surrogate-first reject-utf8-cut",
        _Forgiving("bad-utf8"),
    ),
    mutant(
        "reads-any-depth",
        "ENC-018~1",
        "encoding: reject-array-depth-17 reject-map-depth-17",
        _Forgiving("too-deep"),
    ),
    mutant(
        "reads-any-count",
        "ENC-019~1",
        "encoding: reject-65537-items reject-65537-items-on-two-levels",
        _Forgiving("too-many-items"),
    ),
    mutant(
        "ignores-even-keys",
        "EXT-001~1",
        "frames: reject-unknown-even-key reject-greatest-even-key content: reject-unknown-even-key",
        _TakesUnknownKeys(signed=False),
    ),
    mutant(
        "ignores-keys-of-signed-maps",
        "EXT-003~1",
        "hello: reject-responder-odd-key reject-responder-reserved-key reject-initiator-odd-key"
        " quote: reject-odd-key reject-even-key open: reject-odd-key reject-reserved-key"
        " receipts: reject-close-with-odd-key",
        _TakesUnknownKeys(signed=True),
    ),
    mutant(
        "refuses-odd-keys",
        "EXT-006~1",
        "frames: accept-unknown-odd-key accept-reserved-key content: accept-unknown-odd-key accept-reserved-key",
        _RefusesOddKeys(),
    ),
)
