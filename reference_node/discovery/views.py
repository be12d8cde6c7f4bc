"""Leads and sightings as JSON."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from mycellm_proto.nodeid import encode_node_id

from ..config import Address
from ..config.sharing import network_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mycellm_proto.invite import Address as Packed

    from .book import Lead
    from .lan import Sighting


_STATES = ("gone", "hearsay", "its own word", "reached")
"""By `Lead.rank`."""


def lead_view(lead: Lead) -> dict[str, object]:
    """What is known of one node in one network; ``dialed`` are those of its addresses that this node would dial."""
    return {
        "network": network_name(lead.network),
        "node_id": encode_node_id(lead.node),
        "addresses": _written(lead.record.addresses),
        "dialed": _written(lead.addresses),
        "sequence": lead.record.sequence,
        "issued": lead.record.issued,
        "expires": lead.record.expires,
        "told_by": encode_node_id(lead.informer.node),
        "state": _STATES[lead.rank],
        "failures": lead.failures,
    }


def sighting_view(seen: Sighting) -> dict[str, object]:
    """A node that the LAN shows."""
    return {
        "node_id": encode_node_id(seen.node),
        "addresses": _written(seen.places),
        "dialed": _written(seen.addresses),
    }


def _written(addresses: Iterable[Packed]) -> list[str]:
    return [str(Address(host=str(ipaddress.ip_address(ip)), port=port)) for ip, port in addresses]
