"""Arguments and results of PROVE, SHOW, JOIN and REVOKE: SPEC.md section "Networks".

They travel as items inside CALL and RESULT. Unlike the objects that they carry they are unsigned maps, in which an
unknown odd key is ignored; whatever else is wrong with one is MALFORMED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from . import codec
from .errors import ErrorCode
from .fields import Field, Kind, Shape, nullable, octets
from .keys import KEY_SIZE
from .membership import Proof
from .signed import HASH_SIZE, Signed

_SIGNED = Kind(Signed.from_value, Signed.to_value)
_HASH, _KEY = octets(HASH_SIZE), octets(KEY_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """Arguments of PROVE: the blinded id of the network that the callee is asked to prove."""

    blind: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Result of PROVE: the network as the callee knows it, and the callee as its member."""

    descriptor: Signed
    membership: Signed
    roll: Signed | None
    node_certificate: Signed | None = None

    @property
    def proof(self) -> Proof:
        """What is verified of it."""
        return Proof(membership=self.membership, node_certificate=self.node_certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Arguments of SHOW: the caller as a member of ``network``; the result is empty."""

    network: bytes
    membership: Signed
    roll: Signed | None
    node_certificate: Signed | None = None

    @property
    def proof(self) -> Proof:
        """What is verified of it."""
        return Proof(membership=self.membership, node_certificate=self.node_certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Arguments of JOIN: ``member`` is the caller's own key, or its account's where a node certificate is there."""

    network: bytes
    invite: Signed | None
    member: bytes
    node_certificate: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Result of JOIN: the network, and the membership of the one who asked."""

    descriptor: Signed
    membership: Signed
    roll: Signed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Arguments of REVOKE: an account withdraws its own older certificates; the result is empty."""

    epoch: Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """A result that says nothing but that it was done."""


def _shape(name: str, *fields: Field) -> Shape:
    return Shape(name, *fields, code=ErrorCode.MALFORMED, requirement="NET-050")


_CERTIFICATE = Field(2, "node_certificate", _SIGNED, optional=True)
SHAPES: dict[type[Any], Shape] = {
    Prove: _shape("prove", Field(0, "blind", _HASH)),
    Proved: _shape(
        "proved",
        Field(0, "descriptor", _SIGNED),
        Field(1, "membership", _SIGNED),
        _CERTIFICATE,
        Field(3, "roll", nullable(_SIGNED)),
    ),
    Show: _shape(
        "show",
        Field(0, "network", _HASH),
        Field(1, "membership", _SIGNED),
        _CERTIFICATE,
        Field(3, "roll", nullable(_SIGNED)),
    ),
    Join: _shape(
        "join",
        Field(0, "network", _HASH),
        Field(1, "invite", nullable(_SIGNED)),
        Field(2, "member", _KEY),
        Field(3, "node_certificate", _SIGNED, optional=True),
    ),
    Joined: _shape(
        "joined",
        Field(0, "descriptor", _SIGNED),
        Field(1, "membership", _SIGNED),
        Field(2, "roll", nullable(_SIGNED)),
    ),
    Revoke: _shape("revoke", Field(0, "epoch", _SIGNED)),
    Empty: _shape("empty"),
}
_Item = TypeVar("_Item", Prove, Proved, Show, Join, Joined, Revoke, Empty)


def encode_item(value: Prove | Proved | Show | Join | Joined | Revoke | Empty) -> bytes:
    """``value`` as the bytes of a CALL's arguments or a RESULT's result."""
    return codec.encode(SHAPES[type(value)].write(value))


def decode_item(kind: type[_Item], data: bytes) -> _Item:
    """The ``kind`` in the bytes of a CALL or a RESULT. Raises `RemoteProtocolError` (MALFORMED)."""
    made: _Item = kind(**SHAPES[kind].read_item(data))
    return made
