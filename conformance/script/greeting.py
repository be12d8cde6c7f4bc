"""HELLOs and quotes of a responder, one of them honest: what each `Fault` sends in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.signing import Key

from .faults import Fault
from .responder import Responder

_SMALL_ORDER = bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000000")


def _set(**changes: Item) -> Callable[[Responder], bytes]:
    """An honest HELLO with other values under the keys k0, k1 and so on."""
    values = {int(key[1:]): value for key, value in changes.items()}
    return lambda side: dcbor.encode(side.session.key.signed(signing.HELLO, side.hello() | values))


def _other(side: Responder) -> Key:
    return Key(side.session.entropy.take(32))


def _without_capabilities(side: Responder) -> bytes:
    body = {key: value for key, value in side.hello().items() if key != 5}
    return dcbor.encode(side.session.key.signed(signing.HELLO, body))


def _flipped(context: str, body: Item, side: Responder) -> list[bytes]:
    encoded, signature = side.session.key.signed(context, body)
    return [encoded, bytes((signature[0] ^ 1,)) + signature[1:]]


def _unordered(context: str, body: Mapping[int, Item], side: Responder) -> list[bytes]:
    """The two highest keys in descending order, signed as they are."""
    *first, one, two = sorted(body)
    head = dcbor.encode({key: body[key] for key in first})[1:]
    last = b"".join(dcbor.encode(key) + dcbor.encode(body[key]) for key in (two, one))
    encoded = bytes((0xA0 + len(body),)) + head + last
    return [encoded, side.session.key.sign(context, encoded)]


def _small_order(side: Responder) -> bytes:
    return dcbor.encode([dcbor.encode(side.hello() | {1: _SMALL_ORDER}), _SMALL_ORDER + bytes(32)])


GREETINGS: Mapping[Fault, Callable[[Responder], bytes]] = {
    Fault.GREETING_OVERSIZED: lambda side: dcbor.encode([bytes(limit("MAX_HELLO")), bytes(64)]),
    Fault.GREETING_NOT_SIGNED_OBJECT: lambda side: dcbor.encode(side.hello()),
    Fault.GREETING_BODY_NOT_DETERMINISTIC: lambda side: dcbor.encode(_unordered(signing.HELLO, side.hello(), side)),
    Fault.GREETING_MISSING_KEY: _without_capabilities,
    Fault.GREETING_UNKNOWN_EVEN_KEY: _set(k10=None),
    Fault.GREETING_UNKNOWN_ODD_KEY: _set(k65=None),
    Fault.GREETING_INITIATOR_SHAPE: _set(k6=bytes(32), k7=bytes(32), k8=True),
    Fault.GREETING_SIGNATURE_FLIPPED: lambda side: dcbor.encode(_flipped(signing.HELLO, side.hello(), side)),
    Fault.GREETING_SIGNED_BY_ANOTHER_KEY: lambda side: dcbor.encode(_other(side).signed(signing.HELLO, side.hello())),
    Fault.GREETING_SIGNED_IN_ANOTHER_CONTEXT: lambda side: dcbor.encode(
        side.session.key.signed(signing.QUOTE, side.hello())
    ),
    Fault.GREETING_SMALL_ORDER_KEY: _small_order,
    Fault.GREETING_ROLE_OF_INITIATOR: _set(k0=0),
    Fault.GREETING_OTHER_BINDING: _set(k2=bytes(32)),
    Fault.GREETING_CAPABILITIES_UNORDERED: _set(k5=[65, 1]),
    Fault.GREETING_VERSION_TOO_NEW: _set(k3=99, k4=99),
    Fault.GREETING_VERSION_TOO_OLD: _set(k3=0, k4=0),
}
"""The body of the HELLO frame that each fault sends."""


def _quote(side: Responder, **changes: Item) -> dict[int, Item]:
    body: dict[int, Item] = dcbor.decode(side.quote(**changes)[0])
    return body


QUOTES: Mapping[Fault, Callable[[Responder], list[bytes]]] = {
    Fault.QUOTE_MISSING_KEY: lambda side: side.session.key.signed(
        signing.QUOTE, {key: value for key, value in _quote(side).items() if key != 9}
    ),
    Fault.QUOTE_UNKNOWN_KEY: lambda side: side.quote(k65=None),
    Fault.QUOTE_NOT_DETERMINISTIC: lambda side: _unordered(signing.QUOTE, _quote(side), side),
    Fault.QUOTE_OF_ANOTHER_PROVIDER: lambda side: (other := _other(side)).signed(
        signing.QUOTE, _quote(side, k0=other.public)
    ),
    Fault.QUOTE_SIGNATURE_FLIPPED: lambda side: _flipped(signing.QUOTE, _quote(side), side),
    Fault.QUOTE_SIGNED_IN_ANOTHER_CONTEXT: lambda side: side.session.key.signed(signing.OPEN, _quote(side)),
}
"""The signed quote that each fault offers."""
