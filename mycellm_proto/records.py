"""Where nodes may be found: SPEC.md section "Discovery".

A record is a node's own word, and a lead: it proves nothing before its node was reached. `admissible` is the one place
that decides which addresses this node may dial, by where it has them from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from .errors import ErrorCode, RemoteProtocolError
from .fields import Field, Kind, Shape, array, integer, octets
from .invite import Address, address
from .items import Item, rule
from .keys import KEY_SIZE, SigningKey
from .limits import CLOCK_SKEW, MAX_ADDRESSES, MAX_AMOUNT, MAX_FOUND, MAX_RECORD_LIFE
from .signed import HASH_SIZE, Context, Signed

FIRST_PORT = 1024
HTTPS = 443
"""Ports that strangers may send this node to: no service that speaks first to whoever sends it a packet."""

# Block, and whether it is taken from the LAN (registry: spec/registries/address-blocks.toml).
_BLOCKS = tuple(
    (ip_network(block), lan)
    for block, lan in (
        ("0.0.0.0/8", False),
        ("10.0.0.0/8", True),
        ("100.64.0.0/10", True),
        ("127.0.0.0/8", False),
        ("169.254.0.0/16", True),
        ("172.16.0.0/12", True),
        ("192.0.0.0/24", False),
        ("192.0.2.0/24", False),
        ("192.88.99.0/24", False),
        ("192.168.0.0/16", True),
        ("198.18.0.0/15", False),
        ("198.51.100.0/24", False),
        ("203.0.113.0/24", False),
        ("224.0.0.0/4", False),
        ("240.0.0.0/4", False),
        ("::/3", False),
        ("2001::/23", False),
        ("2001:db8::/32", False),
        ("2002::/16", False),
        ("3fff::/20", False),
        ("4000::/2", False),
        ("8000::/1", False),
        ("fc00::/7", True),
    )
)


class Source(IntEnum):
    """Where an address comes from."""

    PEER = 0
    LAN = 1
    CONFIGURED = 2


RECORD = Shape(
    "record-body",
    Field(0, "node", octets(KEY_SIZE)),
    Field(1, "sequence", integer(MAX_AMOUNT, 1)),
    Field(2, "network", octets(HASH_SIZE)),
    Field(3, "addresses", array(address(), MAX_ADDRESSES)),
    Field(4, "issued", integer(MAX_AMOUNT)),
    Field(5, "expires", integer(MAX_AMOUNT)),
    signed=True,
    code=ErrorCode.MALFORMED,
    requirement="DSC-001",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where ``node`` may be found by members of ``network``. Without addresses, it says that it has left."""

    node: bytes
    sequence: int
    network: bytes
    addresses: tuple[Address, ...]
    issued: int
    expires: int

    def sign(self, key: SigningKey) -> Signed:
        """The signed object."""
        return Signed.make(key, Context.RECORD, RECORD.write(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Find(Item):
    """Arguments of FIND: at most ``most`` records of ``network``, which is blinded unless it is the direct one."""

    network: bytes
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Item):
    """Result of FIND."""

    records: tuple[Signed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce(Item):
    """Arguments of ANNOUNCE: the caller's own record."""

    record: Signed


_SIGNED = Kind(Signed.from_value, Signed.to_value)
Find.shape = rule("find", Field(0, "network", octets(HASH_SIZE)), Field(1, "most", integer(MAX_FOUND, 1)))
Found.shape = rule("found", Field(0, "records", array(_SIGNED, MAX_FOUND)))
Announce.shape = rule("announce", Field(0, "record", _SIGNED))
ITEMS: tuple[type[Item], ...] = (Find, Found, Announce)
"""What is asked in discovery, and what is answered."""


def read_record(signed: Signed, *, now: float) -> Record:
    """DSC-001 to DSC-003: what a node says of itself, while it counts. Raises `RemoteProtocolError` (MALFORMED)."""
    record = Record(**RECORD.read_item(signed.body))
    signed.verify(record.node, Context.RECORD, code=ErrorCode.MALFORMED, requirement="DSC-002")
    lives = record.issued <= record.expires <= record.issued + MAX_RECORD_LIFE
    if not lives or record.issued > now + CLOCK_SKEW or now >= record.expires:
        raise _refusal("a record of another time", "DSC-003")
    return record


def newer_record(held: Record | None, offered: Record) -> Record:
    """DSC-004: which of two records of one node in one network counts.

    Raises `RemoteProtocolError` (MALFORMED) for two bodies with one number, and for records of two nodes or networks.
    """
    if held is None or offered == held:
        return offered
    if (held.node, held.network) != (offered.node, offered.network) or held.sequence == offered.sequence:
        raise _refusal("no successor of the record that is held", "DSC-004")
    return max(held, offered, key=lambda record: record.sequence)


def admissible(addresses: tuple[Address, ...], source: Source, beside: Address | None = None) -> tuple[Address, ...]:
    """DSC-005: the addresses that may be dialed, in their order, by where this node has them from.

    ``beside`` is the address of the owner's at which this node dialed who names them, where it did: whoever is in a
    private block knows its neighbours.
    """
    return tuple(each for each in addresses if _may_be_dialed(each, source, beside))


def _may_be_dialed(where: Address, source: Source, beside: Address | None) -> bool:
    (ip, port), block = where, _block(where)
    if source is Source.CONFIGURED:
        return True
    if port < FIRST_PORT and port != HTTPS:
        return False
    if block is None or (source is Source.LAN and block[1]):
        return True
    return beside is not None and (ip == beside[0] or (block[1] and block == _block(beside)))


def _block(where: Address) -> tuple[IPv4Network | IPv6Network, bool] | None:
    """The smallest block that holds an address; None for a global one."""
    host = ip_address(where[0])
    holding = [each for each in _BLOCKS if each[0].version == host.version and host in each[0]]
    return max(holding, key=lambda each: each[0].prefixlen, default=None)


def _refusal(message: str, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.MALFORMED, requirement=requirement)
