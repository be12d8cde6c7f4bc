"""Nodes on the same LAN, by DNS-SD over mDNS: SPEC.md section "Discovery".

A node shows its id and its port, under a name that is new at every start, and neither a network nor a model. What
others show is a place to dial, and proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroconf import (
    Error,
    InterfaceChoice,
    IPVersion,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from mycellm_proto.limits import MAX_ADDRESSES
from mycellm_proto.nodeid import decode_node_id, encode_node_id
from mycellm_proto.records import Source, admissible

from .. import log
from ..networks import where_reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto.invite import Address as Packed

    from ..config import Address

SERVICE = "_mycellm._udp.local."
ID = b"id"
MAX_SEEN = 64
"""Nodes of the LAN that are known at once; more are not looked at until others leave."""
LOOK_MS = 3000
"""How long a node of the LAN may take to say where it is."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Sighting:
    """A node that the LAN shows; ``due`` is when it may be dialed (again), in seconds since 1970."""

    node: bytes
    places: tuple[Packed, ...]
    due: float = 0.0

    @property
    def addresses(self) -> tuple[Packed, ...]:
        """Where it may be dialed (DSC-005)."""
        return admissible(self.places, Source.LAN)


class Lan:
    """What the LAN shows to the node ``node`` that listens at ``quic``; ``seen`` is called when that changes."""

    def __init__(self, node: bytes, quic: Address, seen: Callable[[], None]) -> None:
        self._node = node
        self._quic = quic
        self._seen = seen
        self._found: dict[str, Sighting] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    @property
    def sightings(self) -> list[Sighting]:
        """Every node that is shown now."""
        return list(self._found.values())

    def look_again(self) -> None:
        """Whether the LAN is wanted may have changed."""
        self._changed.set()

    async def run(self, wanted: Callable[[], bool]) -> None:
        """Show this node and see others whenever ``wanted`` says so, until cancelled."""
        while True:
            self._changed.clear()
            if wanted():
                await self._take_part(wanted)
            await self._changed.wait()

    # Inside

    async def _take_part(self, wanted: Callable[[], bool]) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                zeroconf = AsyncZeroconf(interfaces=self._interfaces(), ip_version=self._version())
                stack.push_async_callback(zeroconf.async_close)
                stack.callback(self._forget)
                await zeroconf.async_register_service(self.card())
                stack.push_async_callback(zeroconf.async_unregister_all_services)
                browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[self._noticed])
                stack.push_async_callback(browser.async_cancel)
                log.event(_log, logging.INFO, "lan.joined", service=SERVICE)
                while wanted():
                    await self._changed.wait()
                    self._changed.clear()
        except (OSError, Error) as error:  # no multicast here: the node does without
            log.event(_log, logging.WARNING, "lan.unusable", reason=type(error).__name__)

    def card(self) -> ServiceInfo:
        """What this node shows."""
        name = secrets.token_hex(8)
        hosts = [where.host for where in where_reached(self._quic)]
        return ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            addresses=[ipaddress.ip_address(host).packed for host in hosts],
            port=self._quic.port,
            properties={ID: encode_node_id(self._node).encode()},
            server=f"{name}.local.",  # not the machine's name
        )

    def _interfaces(self) -> InterfaceChoice | list[str]:
        unspecified = ipaddress.ip_address(self._quic.host).is_unspecified
        return InterfaceChoice.All if unspecified else [self._quic.host]

    def _version(self) -> IPVersion:
        return IPVersion.All if ":" in self._quic.host else IPVersion.V4Only

    def _noticed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            self._found.pop(name, None)
            self._seen()
        elif name not in self._looking and (name in self._found or len(self._found) + len(self._looking) < MAX_SEEN):
            task = asyncio.get_running_loop().create_task(self._look(zeroconf, service_type, name))
            self._looking[name] = task
            task.add_done_callback(lambda _: self._looking.pop(name, None))

    async def _look(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        try:
            answered = await info.async_request(zeroconf, LOOK_MS)
        except (OSError, Error):
            return
        sighting = read_card(info) if answered else None
        if sighting is None or sighting.node == self._node:
            return
        before = self._found.get(name)
        if before is None or (before.node, before.places) != (sighting.node, sighting.places):
            self._found[name] = sighting
            self._seen()

    def _forget(self) -> None:
        for task in self._looking.values():
            task.cancel()
        self._found.clear()


def read_card(info: ServiceInfo) -> Sighting | None:
    """What a node shows of itself, or None for anything else."""
    written, port = info.properties.get(ID), info.port
    if written is None or port is None or not 0 < port < 1 << 16:
        return None
    try:
        node = decode_node_id(written.decode("ascii"))
    except ValueError:
        return None
    hosts = info.addresses_by_version(IPVersion.All)[:MAX_ADDRESSES]
    return Sighting(node=node, places=tuple((host, port) for host in hosts))
