"""Networks of nodes, as a node lives them: SPEC.md section "Networks".

`Networks` holds what this node knows of each, `Introductions` proves memberships on links, `Reception` answers for the
networks whose authority this node is, and `Desk` is what people and programs ask of all this.
"""

from __future__ import annotations

from .authority import INVITE_LIFE_S, Terms
from .desk import MAX_LABEL, Desk
from .errors import AmbiguousNetworkError, NetworkError, UnknownNetworkError
from .folder import NetworksFolder, known_networks
from .held import HeldNetwork
from .home import desk_of
from .introductions import Introductions
from .joining import Reception
from .networks import Networks
from .places import REACH_S, unpacked, unreachable, where_reached
from .upkeep import Upkeep
from .words import parse_digest, parse_roles, terms

__all__ = [
    "INVITE_LIFE_S",
    "MAX_LABEL",
    "REACH_S",
    "AmbiguousNetworkError",
    "Desk",
    "HeldNetwork",
    "Introductions",
    "NetworkError",
    "Networks",
    "NetworksFolder",
    "Reception",
    "Terms",
    "UnknownNetworkError",
    "Upkeep",
    "desk_of",
    "known_networks",
    "parse_digest",
    "parse_roles",
    "terms",
    "unpacked",
    "unreachable",
    "where_reached",
]
