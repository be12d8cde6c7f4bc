"""Who told something of a node, as far as it matters for what is believed and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.records import Source

if TYPE_CHECKING:
    from mycellm_proto.invite import Address

PREFIXES = {4: 3, 16: 6}
"""Bytes of an address of that size which one owner commands: a /24 of IPv4, a /48 of IPv6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Informer:
    """The node that told, at the packed address ``host``.

    ``beside`` is where this node dialed it, if that address is its owner's word.
    """

    node: bytes
    host: bytes
    beside: Address | None = None
    source: Source = Source.PEER

    def account(self, network: bytes) -> bytes:
        """To whom what was told is counted: the node where ids are scarce, the addresses beside it where they are free.

        Members of a rooted network are few, and named by its authority.
        """
        return prefix(self.host) if network == DIRECT_NETWORK else self.node


def prefix(host: bytes) -> bytes:
    """The part of a packed address that stands for its owner."""
    return host[: PREFIXES[len(host)]]
