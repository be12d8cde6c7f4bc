"""Every bound of the transport, with its reason. Times are seconds, sizes are bytes."""

from __future__ import annotations

MAX_LINKS = 256
"""Connections at once, half-open ones included: at roughly 70 kB each when idle they stay below 20 MB."""
MAX_HALF_OPEN = 128
"""Accepted connections whose TLS is unfinished: half of all, so that a flood never fills the table."""
MAX_HALF_OPEN_PER_HOST = 64
"""The same from one address: one host alone cannot keep everybody else out."""
RETRY_THRESHOLD = 32
"""Half-open connections from which a newcomer must prove its address by a Retry (RFC 9000 section 8.1.2): forged
source addresses then cost neither state nor a signature, and quiet times keep the shorter handshake."""
MAX_CLOSING = 256
"""Closed connections that are remembered for QUIC's closing period, to repeat a lost CONNECTION_CLOSE."""

HANDSHAKE_DEADLINE = 10.0
"""From the first packet to finished TLS: several losses on a slow path."""
IDLE_TIMEOUT = 60.0
"""Without any packet from the peer: three keep-alives."""
KEEP_ALIVE = 20.0
"""Silence after which an authenticated link is pinged: below the 30 s after which common NATs forget a UDP flow."""
CLOSE_HOLD = 1.0
"""How long an initiator waits for the handshake's confirmation so that its close code is readable: several round
trips."""
ACLOSE_DEADLINE = 1.0
"""For the last datagrams to leave the socket when an endpoint closes."""
RESOLVE_DEADLINE = 5.0
"""For the system's resolver: its own usual timeout of one attempt."""

STREAM_WINDOW = 1 << 20
"""First flow-control window of a stream: the largest request fits without waiting for an update."""
LINK_WINDOW = 2 << 20
"""First flow-control window of a connection: two such requests. aioquic doubles both windows as data arrives, whether
it can be delivered or not; what is held back is therefore bounded by the four numbers below instead."""
HELD_UNAUTHENTICATED = 1 << 16
"""Stream bytes (gaps included) that wait behind missing ones before the peer is authenticated: several times the
initial congestion window of an honest peer."""
HELD_AUTHENTICATED = 4 << 20
"""The same afterwards: 30 MB/s, the most that aioquic moves, over 130 ms."""
PIECES_UNAUTHENTICATED = 128
"""Frames that wait behind missing ones: 64 KiB in full packets is 55. Reassembly costs the square of this."""
PIECES_AUTHENTICATED = 4096
"""The same afterwards: 4 MiB in full packets is 3,800."""
MAX_STREAMS = 128
"""Streams of one kind that a peer may have open: aioquic's fixed value, which it enforces."""

SEND_QUEUE = 1 << 20
"""Datagrams waiting for a full socket: past this they are dropped, and QUIC's loss recovery slows the senders down."""
SOCKET_BUFFER = 2 << 20
"""Asked of the kernel in both directions, which may give less: a burst of one congestion window should survive."""

TIMER_SLACK = 0.001
"""How early a timer may count as due: QUIC's own granularity (RFC 9002 section 6.1.2)."""
