"""Two nodes that look for each other by mDNS on the loopback interface, and one that leaves. Run by `test_lan`."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

from mycellm_proto.keys import SigningKey
from reference_node.config import Address
from reference_node.discovery.lan import Lan

ONE, TWO = SigningKey(b"\x01" * 32).public, SigningKey(b"\x02" * 32).public
LOOPBACK = "127.0.0.1"
GROUP = "224.0.0.251"
PATIENCE_S = 20.0
NO_MULTICAST = 77


def multicast_works() -> bool:
    """Whether a datagram to mDNS's group comes back on the loopback interface."""
    loopback = socket.inet_aton(LOOPBACK)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.bind(("", 0))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + loopback)
            receiver.settimeout(1.0)
            sender.bind((LOOPBACK, 0))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
            sender.sendto(b"?", (GROUP, receiver.getsockname()[1]))
            return receiver.recv(1) == b"?"
        except OSError:
            return False


async def main() -> None:
    changed = asyncio.Event()
    lans = [Lan(node, Address(host=LOOPBACK, port=port), changed.set) for node, port in ((ONE, 4001), (TWO, 4002))]
    tasks = [asyncio.create_task(lan.run(lambda: True)) for lan in lans]

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                changed.clear()
                await changed.wait()

    await until(lambda: all(lan.sightings for lan in lans))
    [seen] = lans[0].sightings
    assert (seen.node, seen.places) == (TWO, ((socket.inet_aton(LOOPBACK), 4002),))
    assert seen.addresses == ()  # a loopback address that the LAN shows is dialed by nobody
    print("seen", flush=True)
    tasks[1].cancel()
    await asyncio.wait(tasks[1:])
    await until(lambda: not lans[0].sightings)
    print("gone", flush=True)
    tasks[0].cancel()
    await asyncio.wait(tasks)


if __name__ == "__main__":
    if not multicast_works():
        sys.exit(NO_MULTICAST)
    asyncio.run(main())
