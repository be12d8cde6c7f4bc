"""Families of discovery: record, address."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from conformance import dcbor
from conformance.data import registry
from conformance.dcbor import Item, NotDeterministicError

from .outcome import Case, Outcome, accept, reject
from .rules import Check, Rules

_SKEW = 120
_DAY = 86_400
_BAD = "MALFORMED"


class Block(NamedTuple):
    """A block of addresses: its first bits as a number, how many there are, and whether the LAN may show them."""

    size: int
    prefix: int
    bits: int
    lan: bool


class Discovery(Rules):
    """SPEC.md, "Discovery"."""

    def record(self, case: Case) -> Outcome:
        """A record, offered to a node that may hold one."""
        body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
        try:
            value = self.decode(body)
        except NotDeterministicError:
            return reject(code=_BAD)
        if self.broken("record-body", value) is not None:
            return reject(code=_BAD)
        held: Item = None if case["held"] is None else dcbor.decode(dcbor.decode(bytes.fromhex(case["held"]))[0])
        issued, expires, now = value[4], value[5], case["now"]
        code = self.refusal(
            Check("DSC-002", self.is_signed_by(value[0], "mycellm/record/v1", body, signature), _BAD),
            Check("DSC-003", issued <= expires <= issued + _DAY, _BAD),
            Check("DSC-003", now < expires and issued <= now + _SKEW, _BAD),
            Check("DSC-004", held is None or held[1] != value[1] or held == value, _BAD),
        )
        if code is not None:
            return reject(code=code)
        return accept(sequence=self.which_sequence(None if held is None else held[1], value[1]))

    def which_sequence(self, held: int | None, offered: int) -> int:
        """That of the record that counts."""
        return offered if held is None else max(held, offered)

    def address(self, case: Case) -> Outcome:
        """An address that may be dialed, or not."""
        ip, source = bytes.fromhex(case["ip"]), case["source"]
        told_at = None if case["told_at"] is None else bytes.fromhex(case["told_at"])
        known = self.may_be_dialed(ip, source) or (told_at is not None and self.is_beside(ip, told_at))
        dialed = source == "CONFIGURED" or (self.is_port(case["port"]) and known)
        return accept() if dialed else {"verdict": "reject"}

    def may_be_dialed(self, ip: bytes, source: str) -> bool:
        """By whom a node has the address from."""
        block = self.smallest(ip)
        return block is None or (source == "LAN" and block.lan)

    def is_beside(self, ip: bytes, told_at: bytes) -> bool:
        """Whether who is at one address may name the other."""
        block = self.smallest(ip)
        return ip == told_at or (block is not None and block.lan and block == self.smallest(told_at))

    def is_port(self, port: int) -> bool:
        """Whether others may send a node to this port."""
        return port == 443 or port >= 1024

    def smallest(self, ip: bytes) -> Block | None:
        """The smallest block that holds an address; None for a global one."""
        number, size = int.from_bytes(ip, "big"), 8 * len(ip)
        found = [each for each in _blocks() if each.size == size and number >> (size - each.bits) == each.prefix]
        return max(found, key=lambda each: each.bits, default=None)


@cache
def _blocks() -> tuple[Block, ...]:
    return tuple(_block(entry["name"], entry["lan"] == "yes") for entry in registry("address-blocks"))


def _block(text: str, lan: bool) -> Block:
    host, _, bits = text.partition("/")
    if ":" not in host:
        packed = bytes(map(int, host.split(".")))
    else:
        head, _, tail = host.partition("::")
        groups = [[int(each, 16) for each in part.split(":") if each] for part in (head, tail)]
        middle = [0] * (8 - len(groups[0]) - len(groups[1]))
        packed = b"".join(each.to_bytes(2, "big") for each in (*groups[0], *middle, *groups[1]))
    size = 8 * len(packed)
    return Block(size, int.from_bytes(packed, "big") >> (size - int(bits)), int(bits), lan)
