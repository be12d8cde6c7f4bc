"""Nodes that see each other on the LAN, by real multicast on the loopback interface where that is possible."""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from zeroconf import IPVersion, ServiceInfo

from mycellm_proto.keys import SigningKey
from mycellm_proto.nodeid import encode_node_id
from reference_node.config import Address
from reference_node.discovery.lan import ID, SERVICE, Lan, Sighting, read_card

from .pair_on_the_lan import NO_MULTICAST

ROOT = Path(__file__).parents[2]
ONE = SigningKey(b"\x01" * 32).public
PATIENCE_S = 60.0


async def test_two_nodes_see_each_other_and_one_that_leaves_is_gone() -> None:
    """In a process of its own: no test here may send a datagram to a group, and this one stays on the loopback."""
    pair = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.discovery.pair_on_the_lan", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    output, _ = await asyncio.wait_for(pair.communicate(), PATIENCE_S)
    if pair.returncode == NO_MULTICAST:
        pytest.skip("no multicast on the loopback interface of this machine")
    assert output.decode().splitlines() == ["seen", "gone"]


def test_a_node_shows_its_id_and_nothing_else() -> None:
    card = Lan(ONE, Address(host="192.168.1.10", port=4242), lambda: None).card()
    assert card.properties == {ID: encode_node_id(ONE).encode()}
    assert socket.gethostname() not in (card.server or "")
    again = Lan(ONE, Address(host="192.168.1.10", port=4242), lambda: None).card()
    assert again.name != card.name
    seen = read_card(card)
    assert seen is not None
    assert seen.addresses == ((ip_address("192.168.1.10").packed, 4242),)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 4242), ("224.0.0.251", 4242), ("192.168.1.10", 53), ("0.0.0.0", 4242)]
)
def test_the_lan_leads_nobody_to_other_services(host: str, port: int) -> None:
    assert Sighting(node=ONE, places=((ip_address(host).packed, port),)).addresses == ()


@pytest.mark.parametrize(
    "properties", [{}, {"id": None}, {"id": "x"}, {"id": b"\xff"}, {"id": encode_node_id(ONE)[:-1]}]
)
def test_what_is_no_node_is_not_seen(properties: dict[str, object]) -> None:
    info = ServiceInfo(SERVICE, f"x.{SERVICE}", addresses=[bytes((192, 168, 1, 9))], port=4242, properties=properties)
    assert info.addresses_by_version(IPVersion.All)
    assert read_card(info) is None
