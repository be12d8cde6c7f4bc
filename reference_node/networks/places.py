"""Where nodes are, as invites carry it: IP addresses and ports. A name could come to mean another host."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode

from ..config import Address
from .errors import NetworkError

if TYPE_CHECKING:
    from mycellm_proto.invite import Contact


REACH_S = 10.0
"""How long it may take to connect to the node of an authority."""


def unreachable(address: Address) -> NetworkError:
    """Nobody proves there to be the authority's node."""
    message = f"The authority's node at {address} (UDP) cannot be reached, or another node answers there."
    return NetworkError(message, ErrorCode.TIMEOUT)


def packed(address: Address) -> tuple[bytes, int]:
    """An address as an invite carries it. Raises `NetworkError` for a name."""
    try:
        return ipaddress.ip_address(address.host).packed, address.port
    except ValueError:
        raise NetworkError(f"An invite carries IP addresses, and {address.host!r} is none.") from None


def unpacked(contact: Contact) -> list[Address]:
    """Where a contact may be reached."""
    return [Address(host=str(ipaddress.ip_address(ip)), port=port) for ip, port in contact.addresses]


def where_reached(quic: Address) -> list[Address]:
    """Where others reach a node that listens at ``quic``: there, or at this machine's own address for a wildcard."""
    if not ipaddress.ip_address(quic.host).is_unspecified:
        return [quic]
    version_6 = ":" in quic.host
    family, elsewhere = (socket.AF_INET6, "2001:db8::1") if version_6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 9))  # sends nothing: it asks which address of ours the route begins at
            host = probe.getsockname()[0]
        except OSError:
            host = "::1" if version_6 else "127.0.0.1"
    return [Address(host=host, port=quic.port)]
