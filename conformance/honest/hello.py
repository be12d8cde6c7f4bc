"""HELLO as an honest node writes and judges it: SPEC.md, "Handshake", checks a to j."""

from __future__ import annotations

from dataclasses import dataclass

from conformance import dcbor, shapes, signing
from conformance.dcbor import Item

from .node import Node
from .rules import FailError

_BAD = "HANDSHAKE_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a verified HELLO proves."""

    peer: bytes
    pinned: bool
    capabilities: frozenset[int]


def responder_hello(node: Node, binding: bytes) -> dict[int, Item]:
    """The body of the responder's HELLO."""
    low, high = node.version_range
    return {0: 1, 1: node.key.public, 2: binding, 3: low, 4: high, 5: list(node.capabilities)}


def initiator_hello(node: Node, binding: bytes, peer: bytes, peer_hello: bytes, pinned: bool) -> dict[int, Item]:
    """The body of the initiator's HELLO."""
    return {**responder_hello(node, binding), 0: 0, 6: peer, 7: peer_hello, 8: pinned}


def judge(
    node: Node, body: bytes, *, initiates: bool, binding: bytes, own_hello: bytes, expected: bytes | None
) -> Session:
    """What the peer's HELLO proves to a node that ``initiates`` or responds. Raises `FailError`."""
    forbid = node.rules.forbid
    try:
        signed = node.rules.decode(body)
        forbid("SIG-001", not shapes.is_signed(signed), FailError("ENCODING"))
        peer = node.rules.decode(signed[0])
    except dcbor.NotDeterministicError:
        raise FailError("ENCODING") from None
    rule = "hello-responder" if initiates else "hello-initiator"
    forbid("HSK-005", shapes.broken(rule, peer) is not None, FailError(_BAD))
    proved = signing.is_signed_by(peer[1], signing.HELLO, signed[0], signed[1])
    forbid("HSK-006", not proved, FailError(_BAD))
    forbid("HSK-007", peer[0] != int(initiates) or peer[2] != binding, FailError(_BAD))
    forbid("HSK-008", peer[5] != sorted(set(peer[5])), FailError(_BAD))
    if initiates:
        forbid("HSK-009", expected is not None and peer[1] != expected, FailError("WRONG_PEER"))
        forbid("HSK-010", peer[1] == node.key.public, FailError("WRONG_PEER"))
    else:
        forbid("HSK-011", peer[6] != node.key.public or peer[1] == node.key.public, FailError("WRONG_PEER"))
        forbid("HSK-012", peer[7] != own_hello, FailError(_BAD))
    low, high = node.version_range
    version = min(high, peer[4])
    forbid("VER-002", version < max(low, peer[3]), FailError("VERSION_UNSUPPORTED"))
    agreed = frozenset(node.capabilities) & frozenset(peer[5])
    return Session(peer=peer[1], pinned=expected is not None if initiates else peer[8], capabilities=agreed)
