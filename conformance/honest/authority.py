"""The authority of a network, and JOIN and REVOKE as it answers them: SPEC.md, "Networks"."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from conformance import dcbor, signing
from conformance.dcbor import Item
from conformance.members import AUTHORITY, INVITE, OPEN, Proof, Signed, Standing, body
from conformance.signing import Key

from .networks import Reads, arguments
from .rules import RefuseError

if TYPE_CHECKING:
    from .connection import Connection
    from .node import Node

_YEAR, _WEEK = 366 * 86_400, 7 * 86_400
ADMISSIONS = {"OPEN": OPEN, "INVITE": INVITE, "AUTHORITY": AUTHORITY}
_PUBLIC, _PRIVATE = 1, 2
_BOTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A member by the authority's books."""

    serial: bytes
    roles: int
    quota: int
    epoch: int = 0
    out: bool = False
    """Whether its owner has put it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invite by the authority's books."""

    uses: int
    roles: int
    quota: int
    members: tuple[bytes, ...] = ()
    """Whom it made members."""
    withdrawn: bool = False


@dataclass(kw_only=True)
class Books:
    """What an authority must not forget."""

    seats: dict[bytes, Seat] = field(default_factory=dict)
    invites: dict[bytes, Invited] = field(default_factory=dict)
    number: int = 0
    """Of the newest roll."""
    epochs: dict[bytes, int] = field(default_factory=dict)
    """What the newest roll says."""


class Authority:
    """The authority of one network at its node."""

    def __init__(self, node: Node, admission: str, *, settled: bool) -> None:
        self.node = node
        self.root, self.key = Key(node.entropy.take(32)), Key(node.entropy.take(32))
        settlement = node.key.public if settled else None
        terms: dict[int, Item] = {
            0: self.root.public,
            1: "conformance",
            2: _PUBLIC if admission == "OPEN" else _PRIVATE,
            3: ADMISSIONS[admission],
            4: 1,
            5: self.key.public,
            6: None,
            7: 1,
            8: 0,
            9: settlement,
            10: 2 if settled else 1,
            11: int(node.clock()) + _YEAR,
        }
        self.descriptor = self.root.signed(signing.DESCRIPTOR, terms)
        self.network = signing.rooted(self.root.public)
        node.store.authorities[self.network] = Books()
        self.admit(node.key.public, _BOTH, 0)
        node.join(self.descriptor, Proof(membership=self.issue(node.key.public)), None)

    @property
    def books(self) -> Books:
        """What is noted."""
        return self.node.store.authorities[self.network]

    @property
    def standing(self) -> Standing:
        """What the node knows of its network."""
        return self.node.store.networks[self.network].standing

    # What its owner does

    def invite(self, *, uses: int, roles: int, quota: int, seconds: int, address: str) -> str:
        """The text of a new invite."""
        serial = self.node.entropy.take(16)
        host, _, port = address.rpartition(":")
        where = [bytes(map(int, host.split("."))), int(port)]
        self.books.invites[serial] = Invited(uses=uses, roles=roles, quota=quota)
        self.node.save()
        expires = int(self.node.clock()) + seconds
        contact = [self.node.key.public, [where]]
        terms = {0: self.network, 1: serial, 2: uses, 3: roles, 4: quota, 5: expires, 6: contact}
        signed = dcbor.encode(self.key.signed(signing.INVITE, terms))
        return "mycellm-invite:" + base64.urlsafe_b64encode(signed).decode().rstrip("=")

    def withdraw(self, serial: bytes) -> None:
        """Let an invite make nobody a member any more."""
        self.books.invites[serial] = replace(self.books.invites[serial], withdrawn=True)
        self.node.save()

    def admit(self, member: bytes, roles: int, quota: int) -> None:
        """Name a key."""
        self.books.seats[member] = Seat(serial=self.node.entropy.take(16), roles=roles, quota=quota)
        self.node.save()

    def put_out(self, member: bytes) -> None:
        """Revoke a member."""
        seat = self.books.seats[member]
        self.books.seats[member] = replace(seat, out=True)
        self.void(member, seat.epoch + 1)

    # What it signs

    def issue(self, member: bytes) -> Signed:
        """A membership."""
        seat, now = self.books.seats[member], int(self.node.clock())
        terms = {
            0: self.network,
            1: member,
            2: seat.serial,
            3: seat.roles,
            4: seat.quota,
            5: self.epoch(member, seat),
            6: now,
            7: now + _WEEK,
        }
        return self.key.signed(signing.MEMBERSHIP, terms)

    def epoch(self, member: bytes, seat: Seat) -> int:
        """The epoch of a membership: none that the roll voids (NET-057)."""
        return max(seat.epoch, self.books.epochs.get(member, 0))

    def void(self, key: bytes, epoch: int) -> None:
        """Every certificate for or by ``key`` below an epoch is void: a new roll says so."""
        self.books.epochs[key] = epoch
        self.books.number += 1
        revoked = [[each, self.books.epochs[each]] for each in sorted(self.books.epochs)]
        terms = {0: self.network, 1: self.books.number, 2: int(self.node.clock()), 3: revoked}
        self.node.learn(self.network, roll=self.key.signed(signing.ROLL, terms))

    # Who comes in

    def admitted(self, asked: dict[int, Any]) -> bytes:
        """The member that JOIN is of, let in where it may come in. Raises `RefuseError`."""
        member, invite = asked[2], asked[1]
        seat = self.books.seats.get(member)
        forbid = self.node.rules.forbid
        forbid("NET-058", seat is not None and seat.out, RefuseError("NOT_MEMBER"))
        if invite is not None:
            self.redeem(invite, member)
        elif seat is None:
            opened = self.standing.terms[3] == OPEN
            forbid("NET-056", not opened, RefuseError("NOT_MEMBER"))
            self.admit(member, _BOTH, 0)
        return bytes(member)

    def redeem(self, invite: Signed, member: bytes) -> None:
        """Take a use of an invite, once for each member (NET-053, NET-054). Raises `RefuseError`."""
        spent, forbid = RefuseError("INVITE_SPENT"), self.node.rules.forbid
        terms = self.node.reads.value_of("invite-body", invite[0])
        signed = signing.is_signed_by(self.key.public, signing.INVITE, *invite)
        good = terms is not None and terms[0] == self.network and signed and self.node.clock() < terms[5]
        forbid("NET-041", not good, spent)
        known = self.books.invites.get(terms[1]) if terms is not None else None
        if known is None:
            known = Invited(uses=1, roles=_BOTH, quota=0)
        again = member in known.members and not self.node.rules.skips("NET-054")
        if again:
            return
        forbid("NET-062", known.withdrawn, spent)
        forbid("NET-053", len(known.members) >= known.uses, spent)
        self.books.invites[terms[1]] = replace(known, members=(*known.members, member))
        self.admit(member, known.roles, known.quota)


def join(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """JOIN. Raises `RefuseError`."""
    asked = arguments(connection, "join", encoded)
    node = connection.node
    here = node.authorities.get(asked[0])
    if here is None:
        raise RefuseError("NOT_MEMBER")
    mine = asked[2] == connection.peer if 3 not in asked else is_account(connection, asked[2], asked[3])
    node.rules.forbid("NET-055", not mine, RefuseError("NOT_MEMBER"))
    member = here.admitted(asked)
    return {0: here.standing.descriptor, 1: here.issue(member), 2: here.standing.roll}


def is_account(connection: Connection, account: bytes, certificate: Signed) -> bool:
    """Whether the caller acts for ``account`` by a good certificate."""
    reads, now = Reads(connection.node.rules), int(connection.node.clock())
    return reads.judge_certificate(certificate[0], certificate[1], account, connection.peer, now) is not None


def revoke(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """REVOKE. Raises `RefuseError`."""
    signed = arguments(connection, "revoke", encoded)[0]
    node = connection.node
    terms = node.reads.value_of("account-epoch-body", signed[0])
    if terms is None:
        raise RefuseError("MALFORMED")
    genuine = signing.is_signed_by(terms[0], signing.EPOCH, signed[0], signed[1])
    node.rules.forbid("KEY-015", not genuine, RefuseError("NOT_ALLOWED"))
    concerned = list(of_account(node.authorities.values(), terms[0]))
    node.rules.forbid("NET-059", not concerned, RefuseError("NOT_MEMBER"))
    for each in concerned:
        if terms[1] > each.books.epochs.get(terms[0], 0) and not node.rules.skips("NET-060"):
            each.void(terms[0], terms[1])
    return {}


def of_account(authorities: Iterable[Authority], account: bytes) -> Iterable[Authority]:
    """Those of which ``account`` is a member."""
    for each in authorities:
        seat = each.books.seats.get(account)
        if seat is not None and not seat.out:
            yield each


def serial_of(text: str) -> bytes:
    """The serial of an invite by its text."""
    data = text.removeprefix("mycellm-invite:")
    serial: bytes = body(dcbor.decode(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))))[1]
    return serial
