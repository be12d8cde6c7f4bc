"""Rolls: who is out. SPEC.md section "Networks".

A roll lists keys and epochs: every certificate for or by such a key with an earlier epoch is void. Its number only
rises, so that nobody who has seen a key revoked can be talked out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ErrorCode
from .fields import Field, Kind, Shape, array, integer, octets
from .keys import KEY_SIZE, SigningKey
from .limits import CLOCK_SKEW, MAX_AMOUNT, MAX_EPOCH, MAX_REVOKED
from .networks import Descriptor, not_member
from .signed import HASH_SIZE, Context, Signed

_EPOCH = integer(MAX_EPOCH, 1)
_KEY = octets(KEY_SIZE)


def _revocation() -> Kind:
    def read(value: object) -> tuple[bytes, int]:
        match value:
            case [key, epoch]:
                return _KEY.read(key), _EPOCH.read(epoch)
        raise ValueError("not a key and an epoch")

    return Kind(read, list)


ROLL = Shape(
    "roll-body",
    Field(0, "network", octets(HASH_SIZE)),
    Field(1, "number", integer(MAX_EPOCH, 1)),
    Field(2, "issued", integer(MAX_AMOUNT)),
    Field(3, "revoked", array(_revocation(), MAX_REVOKED)),
    signed=True,
    code=ErrorCode.NOT_MEMBER,
    requirement="NET-018",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """The revocations of a network: ``revoked`` are keys and epochs, ascending by key."""

    network: bytes
    number: int
    issued: int
    revoked: tuple[tuple[bytes, int], ...] = ()

    def voids(self, key: bytes, epoch: int) -> bool:
        """Whether a certificate for or by ``key``, of ``epoch``, is void (NET-026)."""
        return any(key == revoked and epoch < least for revoked, least in self.revoked)

    def sign(self, authority: SigningKey) -> Signed:
        """This roll as it travels."""
        return Signed.make(authority, Context.ROLL, ROLL.write(self))


def read_roll(signed: Signed, *, descriptor: Descriptor, now: float) -> Roll:
    """A roll by the authority that ``descriptor`` names. Raises `RemoteProtocolError` (NOT_MEMBER)."""
    roll = Roll(**ROLL.read_item(signed.body))
    if roll.network != descriptor.network:
        raise not_member("roll of another network", "NET-018")
    keys = [key for key, _ in roll.revoked]
    if keys != sorted(set(keys)):
        raise not_member("keys of the roll are not ascending", "NET-018")
    signed.verify(descriptor.authority, Context.ROLL, code=ErrorCode.NOT_MEMBER, requirement="NET-019")
    if roll.issued > now + CLOCK_SKEW:
        raise not_member("roll of the future", "NET-019")
    return roll


def newer_roll(held: Roll | None, offered: Roll) -> Roll:
    """Which of two rolls of one network counts: that of the higher number (NET-027).

    Raises `RemoteProtocolError` where one number has two bodies (NET-028), or ``offered`` is of another network.
    """
    if held is None:
        return offered
    if held.network != offered.network:
        raise not_member("roll of another network", "NET-018")
    if held.number == offered.number and held != offered:
        raise not_member(f"number {held.number} has two rolls", "NET-028")
    return offered if offered.number > held.number else held
