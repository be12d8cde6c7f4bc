"""HELLOs of an initiator, one of them honest: what each `Fault` of the handshake sends in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.signing import Key

from .faults import Fault
from .initiator import Initiator

_SMALL_ORDER = bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000000")


def _body(change: Callable[[Initiator, dict[int, Item]], dict[int, Item]]) -> Callable[[Initiator], bytes]:
    """An honest HELLO whose body is changed before it is signed."""

    def encoded(side: Initiator) -> bytes:
        return dcbor.encode(side.session.key.signed(signing.HELLO, change(side, side.hello())))

    return encoded


def _set(**changes: Item) -> Callable[[Initiator], bytes]:
    """An honest HELLO with other values under the keys k0, k1 and so on."""
    return _body(lambda _, body: body | {int(key[1:]): value for key, value in changes.items()})


def _other(side: Initiator) -> Key:
    return Key(side.session.entropy.take(32))


def _flipped(side: Initiator) -> bytes:
    body, signature = side.session.key.signed(signing.HELLO, side.hello())
    return dcbor.encode([body, bytes((signature[0] ^ 1,)) + signature[1:]])


def _changed(side: Initiator) -> bytes:
    _, signature = side.session.key.signed(signing.HELLO, side.hello())
    return dcbor.encode([dcbor.encode(side.hello() | {5: [1, 3]}), signature])


def _unordered_bytes(side: Initiator) -> bytes:
    """The body's two highest keys in descending order, signed as they are."""
    body = side.hello()
    head, last = dcbor.encode({key: body[key] for key in range(7)}), [7, 8]
    encoded = bytes((0xA9,)) + head[1:] + b"".join(dcbor.encode(k) + dcbor.encode(body[k]) for k in reversed(last))
    return dcbor.encode([encoded, side.session.key.sign(signing.HELLO, encoded)])


def _small_order(side: Initiator) -> bytes:
    """A key under which one signature is valid for every message, where a library allows it."""
    body = dcbor.encode(side.hello() | {1: _SMALL_ORDER})
    return dcbor.encode([body, _SMALL_ORDER + bytes(32)])


def _without_key(_: Initiator, body: dict[int, Item]) -> dict[int, Item]:
    return {key: value for key, value in body.items() if key != 5}


HELLOS: Mapping[Fault, Callable[[Initiator], bytes]] = {
    Fault.HELLO_OVERSIZED: lambda side: dcbor.encode([bytes(limit("MAX_HELLO")), bytes(64)]),
    Fault.HELLO_NOT_SIGNED_OBJECT: lambda side: dcbor.encode(side.hello()),
    Fault.HELLO_BODY_NOT_DETERMINISTIC: _unordered_bytes,
    Fault.HELLO_MISSING_KEY: _body(_without_key),
    Fault.HELLO_UNKNOWN_EVEN_KEY: _set(k10=None),
    Fault.HELLO_UNKNOWN_ODD_KEY: _set(k65=None),
    Fault.HELLO_RESPONDER_SHAPE: _body(lambda _, body: {key: body[key] for key in range(6)}),
    Fault.HELLO_SIGNATURE_FLIPPED: _flipped,
    Fault.HELLO_SIGNED_BY_ANOTHER_KEY: lambda side: dcbor.encode(_other(side).signed(signing.HELLO, side.hello())),
    Fault.HELLO_SIGNED_IN_ANOTHER_CONTEXT: lambda side: dcbor.encode(
        side.session.key.signed(signing.QUOTE, side.hello())
    ),
    Fault.HELLO_CHANGED_AFTER_SIGNING: _changed,
    Fault.HELLO_SMALL_ORDER_KEY: _small_order,
    Fault.HELLO_ROLE_OF_RESPONDER: _set(k0=1),
    Fault.HELLO_OTHER_BINDING: _set(k2=bytes(32)),
    Fault.HELLO_REFLECTED: lambda side: dcbor.encode(side.peer_hello),
    Fault.HELLO_CAPABILITIES_UNORDERED: _set(k5=[65, 1]),
    Fault.HELLO_CAPABILITY_TWICE: _set(k5=[1, 1]),
    Fault.HELLO_FOR_ANOTHER_PEER: _body(lambda side, body: body | {6: _other(side).public}),
    Fault.HELLO_NAMES_ANOTHER_HELLO: _set(k7=bytes(32)),
    Fault.HELLO_VERSION_TOO_NEW: _set(k3=99, k4=99),
    Fault.HELLO_VERSION_TOO_OLD: _set(k3=0, k4=0),
}
"""The body of the HELLO frame that each fault sends."""


def hello_with(fault: Fault, side: Initiator) -> bytes:
    """The body of the faulty HELLO. Raises `KeyError` for a fault that is of no HELLO."""
    return HELLOS[fault](side)
