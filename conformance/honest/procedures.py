"""What an honest node answers to calls, by procedure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from conformance.dcbor import Item

from . import authority, discovery, networks, settlement

if TYPE_CHECKING:
    from .connection import Connection

PROCEDURES: Mapping[int, Callable[[Connection, bytes], dict[int, Item]]] = {
    1: networks.prove,
    2: networks.show,
    3: authority.join,
    4: authority.revoke,
    5: settlement.reserve,
    6: settlement.settle,
    7: settlement.balance,
    8: discovery.find,
    9: discovery.announce,
    10: settlement.report,
}
