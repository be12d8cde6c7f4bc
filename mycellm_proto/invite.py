"""Invites, and their text form: SPEC.md section "Networks".

An invite is a bearer secret: who holds it may become a member, so many times. It names the node to ask, and is pasted
from one program into another; reading is strict, so that one invite has one text.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from . import codec
from .codec import Value
from .errors import ErrorCode, ProtocolError, RemoteProtocolError
from .fields import Field, Kind, Shape, array, flags, integer, octets
from .keys import KEY_SIZE, SigningKey
from .limits import MAX_ADDRESSES, MAX_AMOUNT, MAX_INVITE, MAX_USES
from .membership import SERIAL_SIZE, MemberRole
from .networks import Descriptor
from .signed import HASH_SIZE, Context, Signed

INVITE_PREFIX = "mycellm-invite:"
_PORT = integer(0xFFFF, 1)
_IP_SIZES = (4, 16)

Address = tuple[bytes, int]
"""An IP address of 4 or 16 bytes, and a UDP port."""


def address() -> Kind:
    """An `Address`."""

    def read(value: object) -> Address:
        match value:
            case [bytes(ip), port] if len(ip) in _IP_SIZES:
                return ip, _PORT.read(port)
        raise ValueError("not an address and a port")

    return Kind(read, list)


def contact_kind() -> Kind:
    """A `Contact`: a node and its addresses."""
    key, addresses = octets(KEY_SIZE), array(address(), MAX_ADDRESSES, 1)

    def read(value: object) -> Contact:
        match value:
            case [node, places]:
                return Contact(node=key.read(node), addresses=addresses.read(places))
        raise ValueError("not a node and its addresses")

    def write(value: Contact) -> list[Value]:
        return [value.node, addresses.write(value.addresses)]

    return Kind(read, write)


INVITE = Shape(
    "invite-body",
    Field(0, "network", octets(HASH_SIZE)),
    Field(1, "serial", octets(SERIAL_SIZE)),
    Field(2, "uses", integer(MAX_USES, 1)),
    Field(3, "roles", flags(MemberRole)),
    Field(4, "quota", integer(MAX_AMOUNT)),
    Field(5, "expires", integer(MAX_AMOUNT)),
    Field(6, "contact", contact_kind()),
    signed=True,
    code=ErrorCode.INVITE_SPENT,
    requirement="NET-040",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The node of the authority: its key, and where it was when the invite was made."""

    node: bytes
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """What its holder may become, ``uses`` times in all: ``roles`` and ``quota`` of each membership."""

    network: bytes
    serial: bytes
    uses: int
    roles: MemberRole
    quota: int
    expires: int
    contact: Contact

    def sign(self, authority: SigningKey) -> Signed:
        """This invite as it travels."""
        return Signed.make(authority, Context.INVITE, INVITE.write(self))


def invite_body(signed: Signed) -> Invite:
    """What an invite says; who signed it is not checked. Raises `RemoteProtocolError` (INVITE_SPENT)."""
    return Invite(**INVITE.read_item(signed.body))


def read_invite(signed: Signed, *, descriptor: Descriptor, now: float) -> Invite:
    """NET-041: an invite by the authority of ``descriptor``, good at ``now``. Raises `RemoteProtocolError`.

    How often it was used already only the authority's node knows.
    """
    invite = invite_body(signed)
    if invite.network != descriptor.network:
        raise _spent("invite of another network")
    signed.verify(descriptor.authority, Context.INVITE, code=ErrorCode.INVITE_SPENT, requirement="NET-041")
    if now >= invite.expires:
        raise _spent("invite has expired")
    return invite


def encode_invite(signed: Signed) -> str:
    """The text of an invite."""
    data = codec.encode(signed.to_value())
    return INVITE_PREFIX + base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def decode_invite(text: str) -> Signed:
    """The invite in ``text``, exactly as `encode_invite` wrote it. Raises `ValueError` with a sentence for people."""
    body = text.removeprefix(INVITE_PREFIX)
    if body == text:
        raise ValueError(f"an invite begins with {INVITE_PREFIX}")
    if len(body) > -(-MAX_INVITE * 4 // 3):
        raise ValueError(f"an invite has at most {MAX_INVITE} bytes")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        signed = Signed.from_value(codec.decode(data))
        invite_body(signed)
    except (ProtocolError, binascii.Error, ValueError):
        raise ValueError("it is not a whole invite: characters are missing or wrong") from None
    if encode_invite(signed) != text:
        raise ValueError("it is not written as an invite is")
    return signed


def _spent(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.INVITE_SPENT, requirement="NET-041")
