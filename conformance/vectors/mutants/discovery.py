"""Nodes that believe what they are told of others."""

from __future__ import annotations

from conformance.vectors.discovery import Block
from conformance.vectors.implementation import Implementation

from .mutant import Careless, Without, mutant


class _TakesTheLast(Implementation):
    """Goes where a record last said."""

    def which_sequence(self, held: int | None, offered: int) -> int:
        """The one that came last."""
        return offered


class _DialsAnything(Implementation):
    """Dials every address that anybody names."""

    def smallest(self, ip: bytes) -> Block | None:
        """None: all are as good."""
        return None


class _TrustsEverybodyLikeTheLan(Implementation):
    """Does not care who said it."""

    def may_be_dialed(self, ip: bytes, source: str) -> bool:
        """As on the LAN."""
        return super().may_be_dialed(ip, "LAN")


class _TrustsItsOwnKind(Implementation):
    """Takes every private address from whom the owner sent it to."""

    def is_beside(self, ip: bytes, told_at: bytes) -> bool:
        """As if all private networks were one."""
        ours, theirs = self.smallest(ip), self.smallest(told_at)
        return ours is not None and theirs is not None


class _TrustsNoNeighbour(Implementation):
    """Finds nobody in a private network."""

    def is_beside(self, ip: bytes, told_at: bytes) -> bool:
        """Never."""
        return False


class _KnowsOnlyFour(Implementation):
    """Looks at the old addresses alone."""

    def smallest(self, ip: bytes) -> Block | None:
        """Of IPv4."""
        return super().smallest(ip) if len(ip) == 4 else None


class _AnyPort(Implementation):
    """Sends packets to any service."""

    def is_port(self, port: int) -> bool:
        """All of them."""
        return True


MUTANTS = (
    mutant(
        "takes-any-record",
        "DSC-001~1",
        "record: reject-sequence-0 reject-host-name reject-five-addresses reject-port-0",
        Careless("record-body"),
    ),
    mutant("verifies-no-record", "DSC-002~1", "record: reject-signed-by-another reject-flipped", Without("DSC-002")),
    mutant(
        "keeps-records-for-ever",
        "DSC-003~1",
        "record: reject-expired reject-of-more-than-a-day reject-of-the-future",
        Without("DSC-003"),
    ),
    mutant("takes-two-of-one-sequence", "DSC-004~1", "record: reject-two-of-one-sequence", Without("DSC-004")),
    mutant("takes-the-last-record", "DSC-004~1", "record: accept-older-that-does-not-count", _TakesTheLast()),
    mutant(
        "dials-anything",
        "DSC-005~1",
        "address: reject-private-from-a-peer reject-loopback-from-a-peer reject-multicast-6-from-the-lan",
        _DialsAnything(),
    ),
    mutant(
        "trusts-everybody-like-the-lan",
        "DSC-005~1",
        "address: reject-private-from-a-peer reject-link-local-from-a-peer reject-unique-local-from-a-peer",
        _TrustsEverybodyLikeTheLan(),
    ),
    mutant(
        "knows-only-old-addresses",
        "DSC-005~1",
        "address: reject-mapped-private-from-a-peer reject-6to4-from-a-peer reject-loopback-6-from-a-peer",
        _KnowsOnlyFour(),
    ),
    mutant(
        "takes-all-private-networks-for-one",
        "DSC-005~1",
        "address: reject-private-told-in-another-block reject-loopback-told-in-a-private-block",
        _TrustsItsOwnKind(),
    ),
    mutant(
        "trusts-no-neighbour",
        "DSC-005~1",
        "address: accept-private-told-in-its-block accept-loopback-told-at-this-host",
        _TrustsNoNeighbour(),
    ),
    mutant("dials-any-port", "DSC-005~1", "address: reject-dns-from-a-peer", _AnyPort()),
)
