"""Socket addresses: binding, numeric forms, names."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from typing import cast

from . import limits

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""What a UDP socket reports: IPv4 (address, port) or IPv6 (address, port, flow, scope)."""

_MAPPED = "::ffff:"


def bind(host: str, port: int) -> socket.socket:
    """A non-blocking UDP socket on ``host`` (address or name) and ``port`` (0 for any free one).

    ``::`` also takes IPv4; every other host has one family. Raises `OSError`, as when the port is in use.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, limits.SOCKET_BUFFER)
        sock.settimeout(0)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def is_dual(sock: socket.socket) -> bool:
    """Whether an IPv6 socket also carries IPv4."""
    return sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def numeric(host: str, port: int, sock: socket.socket) -> SocketAddress:
    """The socket address of a numeric ``host``, in exactly the form in which ``sock`` reports it for received data.

    Raises `ValueError` for a name, a port outside 1-65535, or an address that ``sock`` cannot reach.
    """
    if not 0 < port < 1 << 16:
        raise ValueError(f"not a UDP port: {port}")
    version = ipaddress.ip_address(host).version
    if version == 4 and is_dual(sock):
        return (_MAPPED + host, port, 0, 0)
    if (version == 6) != (sock.family == socket.AF_INET6):
        raise ValueError(f"an IPv{version} address cannot be reached from this endpoint's socket")
    found = socket.getaddrinfo(host, port, sock.family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
    return cast(SocketAddress, found[0][4])


def readable(address: SocketAddress) -> tuple[str, int]:
    """(host, port) for people and limits: an IPv4 peer of a dual socket shows its IPv4 address."""
    host = address[0]
    return (host.removeprefix(_MAPPED) if "." in host else host), address[1]


async def resolve(host: str, port: int, sock: socket.socket) -> tuple[str, int]:
    """The first numeric address of ``host`` that ``sock`` can reach, and ``port``.

    Raises `OSError` where there is none, `TimeoutError` after `limits.RESOLVE_DEADLINE`.
    """
    family = socket.AF_UNSPEC if is_dual(sock) else sock.family
    async with asyncio.timeout(limits.RESOLVE_DEADLINE):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    address = cast(SocketAddress, found[0][4])
    zone = f"%{address[3]}" if len(address) == 4 and address[3] and "%" not in address[0] else ""
    return address[0] + zone, port
