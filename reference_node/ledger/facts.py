"""What the ledger is told and what it answers: verified facts, since no signature is checked here.

An open is identified by network, consumer, provider and number, and by its hash: the first open under an identity
holds it for ever. Whose credit moves is said beside it, since a member may have several nodes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias

from mycellm_proto import codec
from mycellm_proto.economy import open_body
from mycellm_proto.keys import KEY_SIZE
from mycellm_proto.limits import MAX_AMOUNT
from mycellm_proto.signed import HASH_SIZE, Context, Signed

from ..store.records import Identity, identity_of

MAX_ISSUE = MAX_AMOUNT
"""Micro-credits granted in one network, ever: so no balance is larger, and each fits the wire, 64 bits and JSON."""
SERIAL_SIZE = 16
"""Bytes of a grant's serial number, which is that of the membership that it belongs to."""
MAX_PROOF = 1024
"""Bytes of a signed open: its body has less than 300."""
MAX_EVIDENCE = 4096
"""Bytes of what proves a booking: a receipt, or a claim with its open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open: its identity, its hash, and as ``proof`` the signed object itself, encoded."""

    identity: Identity
    open_hash: bytes
    proof: bytes = b""

    def __post_init__(self) -> None:
        parts = (self.identity.network, self.identity.consumer, self.identity.provider, self.open_hash)
        if any(len(part) != HASH_SIZE for part in parts) or not 1 <= self.identity.sequence <= MAX_AMOUNT:
            raise ValueError("not the identity of an open")
        if len(self.proof) > MAX_PROOF:
            raise ValueError(f"an open of {len(self.proof)} bytes")

    @classmethod
    def of(cls, signed: Signed) -> Opened:
        """The open in ``signed``, whose signature was checked. Raises `RemoteProtocolError` for another shape."""
        proof = codec.encode(signed.to_value())
        return cls(identity=identity_of(open_body(signed)), open_hash=signed.digest(Context.OPEN), proof=proof)

    @property
    def key(self) -> bytes:
        """The name of the identity in the ledger, 32 bytes."""
        network, consumer, provider, sequence = self.identity
        return _name(b"open", network, consumer, provider, sequence.to_bytes(8, "big"))


class AccountKind(IntEnum):
    """Whose an account is."""

    ISSUE = 0
    """The network's authority: what it has issued stands here as a debt."""
    MEMBER = 1


class Account(NamedTuple):
    """An account of a network. ``member`` is the key of its holder; 32 zero bytes for what was issued."""

    network: bytes
    kind: AccountKind
    member: bytes

    @property
    def key(self) -> bytes:
        """The name of the account in the ledger, 32 bytes."""
        return _name(b"account", self.network, bytes([self.kind]), self.member)

    @classmethod
    def of(cls, network: bytes, member: bytes) -> Account:
        """The account of ``member``."""
        if len(network) != HASH_SIZE or len(member) != KEY_SIZE:
            raise ValueError("not a network and the key of a member")
        return cls(network, AccountKind.MEMBER, member)

    @classmethod
    def issue(cls, network: bytes) -> Account:
        """Where what the authority grants comes from."""
        return cls(network, AccountKind.ISSUE, bytes(KEY_SIZE))


class Pocket(StrEnum):
    """The parts of an account."""

    AVAILABLE = "available"
    """May be reserved."""
    RESERVED = "reserved"
    """Held for opens that run."""
    PENDING = "pending"
    """Claimed from others and not final yet: cannot be spent, so that a receipt for less can take it back."""


class Kind(StrEnum):
    """What an event is: one amount, from one pocket of an account into another."""

    GRANT = "grant"
    RESERVE = "reserve"
    CLAIM = "claim"
    REVERSAL = "reversal"
    CONFIRM = "confirm"
    FINALISE = "finalise"
    RELEASE = "release"
    LAPSE = "lapse"


POCKETS = {
    Kind.GRANT: (Pocket.AVAILABLE, Pocket.AVAILABLE),
    Kind.RESERVE: (Pocket.AVAILABLE, Pocket.RESERVED),
    Kind.CLAIM: (Pocket.RESERVED, Pocket.PENDING),
    Kind.REVERSAL: (Pocket.PENDING, Pocket.RESERVED),
    Kind.CONFIRM: (Pocket.PENDING, Pocket.AVAILABLE),
    Kind.FINALISE: (Pocket.RESERVED, Pocket.AVAILABLE),
    Kind.RELEASE: (Pocket.RESERVED, Pocket.AVAILABLE),
    Kind.LAPSE: (Pocket.RESERVED, Pocket.AVAILABLE),
}
"""Out of which pocket an event takes its amount, and into which it puts it."""


class State(StrEnum):
    """How an open stands. All but the first are for ever."""

    RESERVED = "reserved"
    FINAL = "final"
    """By a receipt."""
    LAPSED = "lapsed"
    """Its time was over: what was claimed is final, the rest was released."""


class Outcome(StrEnum):
    """What became of an operation that was not refused."""

    BOOKED = "booked"
    REPEATED = "repeated"
    """Nothing changed: it was booked before, or what is booked is more, or final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An open in the ledger. Amounts in micro-credits, ``expires`` in seconds since 1970.

    ``claimed`` is provisional and can only rise until the state is final; ``total`` is what was paid in the end.
    """

    opened: Opened
    consumer: Account
    provider: Account
    ceiling: int
    expires: int
    state: State = State.RESERVED
    claimed: int = 0
    total: int | None = None
    events: int = 0

    @property
    def held(self) -> int:
        """Micro-credits of the consumer that are still reserved."""
        return self.ceiling - self.claimed if self.state is State.RESERVED else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The authority grants ``amount`` micro-credits to ``member``, once per ``serial``."""

    network: bytes
    member: bytes
    amount: int
    serial: bytes

    @property
    def key(self) -> bytes:
        """The name of the grant in the ledger, 32 bytes."""
        return _name(b"grant", self.network, self.serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Hold ``ceiling`` of ``member`` for an open whose payee is ``provider_member``, until ``expires`` and grace."""

    opened: Opened
    member: bytes
    provider_member: bytes
    ceiling: int
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The provider shows that ``amount`` is owed; ``evidence`` is what it showed."""

    opened: Opened
    amount: int
    evidence: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalise:
    """A receipt says that ``total`` is owed; ``evidence`` is the receipt."""

    opened: Opened
    total: int
    evidence: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """The time of an open is over."""

    opened: Opened


Operation: TypeAlias = Grant | Reserve | Claim | Finalise | Lapse


class Balance(NamedTuple):
    """What a member has. ``balance`` includes what is ``reserved``, but not what is ``pending``."""

    balance: int
    reserved: int
    pending: int = 0

    @property
    def available(self) -> int:
        """Micro-credits that may be reserved."""
        return self.balance - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two different opens under one identity, as they were signed."""

    first: Opened
    second: Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One amount on its way from an account to another. ``created`` is in seconds since 1970.

    ``subject`` names the open or the grant that it belongs to, and ``number`` counts the events of that subject.
    """

    subject: bytes
    number: int
    kind: Kind
    source: Account
    target: Account
    amount: int
    created: float
    evidence: bytes = b""


def _name(*parts: bytes) -> bytes:
    """A name for parts whose sizes are fixed, so that they cannot be divided in another way."""
    return hashlib.sha256(b"".join(parts)).digest()
