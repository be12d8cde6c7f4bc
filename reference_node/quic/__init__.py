"""QUIC transport: one UDP socket that dials and accepts. Nothing outside this package imports aioquic.

What it guarantees to the protocol above: a link becomes ready only with the channel binding of its own TLS connection;
no 0-RTT and no resumption; every buffer and every wait that a peer can cause is bounded (`limits`); `link_closed` comes
exactly once for every handler that was taken.
"""

from .endpoint import Endpoint
from .handler import LinkHandler
from .link import Link
from .timers import LazyTimer

__all__ = ["Endpoint", "LazyTimer", "Link", "LinkHandler"]
