"""Family ``address``: what a node dials, by whom it has the address from."""

from __future__ import annotations

from ipaddress import ip_address

from mycellm_proto.records import Source, admissible

from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, nullable, outcome

_P, _L, _C = Source.PEER, Source.LAN, Source.CONFIGURED
# Slug without its verdict, address, port, source, whether it is dialed.
_CASES: tuple[tuple[str, str, int, Source, bool], ...] = (
    ("global-from-a-peer", "8.8.4.4", 4242, _P, True),
    ("global-6-from-a-peer", "2001:4860:4860::beef", 4242, _P, True),
    ("global-from-the-lan", "8.8.4.4", 4242, _L, True),
    ("private-from-a-peer", "192.168.1.10", 4242, _P, False),
    ("private-from-the-lan", "192.168.1.10", 4242, _L, True),
    ("private-10-from-a-peer", "10.0.0.1", 4242, _P, False),
    ("private-10-from-the-lan", "10.255.255.255", 4242, _L, True),
    ("private-172-from-a-peer", "172.31.255.255", 4242, _P, False),
    ("beside-private-172-from-a-peer", "172.32.0.0", 4242, _P, True),
    ("shared-from-a-peer", "100.64.0.1", 4242, _P, False),
    ("beside-shared-from-a-peer", "100.128.0.1", 4242, _P, True),
    ("loopback-from-a-peer", "127.0.0.1", 4242, _P, False),
    ("loopback-from-the-lan", "127.0.0.1", 4242, _L, False),
    ("loopback-configured", "127.0.0.1", 4242, _C, True),
    ("link-local-from-a-peer", "169.254.169.254", 4242, _P, False),
    ("link-local-from-the-lan", "169.254.1.1", 4242, _L, True),
    ("unspecified-from-a-peer", "0.0.0.0", 4242, _P, False),  # noqa: S104 - an address that is refused
    ("multicast-from-a-peer", "224.0.0.251", 4242, _P, False),
    ("multicast-from-the-lan", "239.1.2.3", 4242, _L, False),
    ("broadcast-from-the-lan", "255.255.255.255", 4242, _L, False),
    ("documentation-from-a-peer", "192.0.2.1", 4242, _P, False),
    ("loopback-6-from-a-peer", "::1", 4242, _P, False),
    ("mapped-private-from-a-peer", "::ffff:192.168.1.10", 4242, _P, False),
    ("mapped-global-from-a-peer", "::ffff:8.8.4.4", 4242, _P, False),
    ("translated-from-a-peer", "64:ff9b::808:404", 4242, _P, False),
    ("6to4-from-a-peer", "2002:c0a8:10a::1", 4242, _P, False),
    ("teredo-from-a-peer", "2001::1", 4242, _P, False),
    ("documentation-6-from-a-peer", "2001:db8::1", 4242, _P, False),
    ("unique-local-from-a-peer", "fd00::1", 4242, _P, False),
    ("unique-local-from-the-lan", "fd00::1", 4242, _L, True),
    ("link-local-6-from-the-lan", "fe80::1", 4242, _L, False),
    ("multicast-6-from-the-lan", "ff02::fb", 4242, _L, False),
    ("https-from-a-peer", "8.8.4.4", 443, _P, True),
    ("dns-from-a-peer", "8.8.4.4", 53, _P, False),
    ("port-1023-from-the-lan", "192.168.1.10", 1023, _L, False),
    ("port-1024-from-a-peer", "8.8.4.4", 1024, _P, True),
    ("port-53-configured", "192.168.1.10", 53, _C, True),
)

# Slug without its verdict, address, port, source, the owner's address at which it was told, whether it is dialed.
_TOLD_AT: tuple[tuple[str, str, int, Source, str, bool], ...] = (
    ("private-told-in-its-block", "10.2.3.4", 4242, _P, "10.200.0.1", True),
    ("private-told-in-another-block", "10.2.3.4", 4242, _P, "192.168.1.1", False),
    ("private-told-at-a-global-address", "10.2.3.4", 4242, _P, "8.8.4.4", False),
    ("unique-local-told-in-its-block", "fd00::1", 4242, _P, "fc00:1::1", True),
    ("loopback-told-at-this-host", "127.0.0.1", 4242, _P, "127.0.0.1", True),
    ("loopback-told-at-another-loopback", "127.0.0.2", 4242, _P, "127.0.0.1", False),
    ("loopback-told-in-a-private-block", "127.0.0.1", 4242, _P, "10.200.0.1", False),
    ("loopback-6-told-at-this-host", "::1", 4242, _P, "::1", True),
    ("mapped-told-at-this-host", "::ffff:127.0.0.1", 4242, _P, "::1", False),
    ("multicast-told-in-a-private-block", "224.0.0.251", 4242, _P, "10.200.0.1", False),
    ("dns-told-in-its-block", "10.2.3.4", 53, _P, "10.200.0.1", False),
    ("global-told-in-a-private-block", "8.8.4.4", 4242, _P, "10.200.0.1", True),
)


def _cases() -> list[dict[str, Json]]:
    plain = [(slug, host, port, source, None, dialed) for slug, host, port, source, dialed in _CASES]
    return [_case(*each) for each in (*plain, *_TOLD_AT)]


def _case(slug: str, host: str, port: int, source: Source, told_at: str | None, dialed: bool) -> dict[str, Json]:  # noqa: PLR0917
    packed = ip_address(host).packed
    beside = None if told_at is None else (ip_address(told_at).packed, 7420)
    if (admissible(((packed, port),), source, beside) != ()) is not dialed:
        raise DisagreementError(slug)
    told = None if beside is None else beside[0].hex()
    verdict, expect = ("accept", accept()) if dialed else ("reject", {"verdict": "reject"})
    inputs: dict[str, Json] = {"ip": packed.hex(), "port": port, "source": source.name, "told_at": told}
    return case(f"{verdict}-{slug}", "DSC-005~1", **inputs, expect=expect)


FAMILY = Family(
    name="address",
    description="Addresses, and where a node has them from.",
    notes=(
        "ip has 4 or 16 bytes; source is CONFIGURED by the owner, the LAN, or PEER for anybody else.",
        "told_at is the address of the owner's at which this node dialed who told it; null if there is none.",
        "Accepted: the node may dial it. Rejected: it must not.",
    ),
    verification=("Judge the address by the tables of SPEC.md, Discovery.",),
    schema={
        "ip": HEX,
        "port": NUMBER,
        "source": {"enum": [each.name for each in Source]},
        "told_at": nullable(HEX),
        "expect": outcome(coded=False),
    },
    cases=_cases,
)
