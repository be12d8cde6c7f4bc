"""Shapes of maps: the CDDL rules of SPEC.md as tables, written down a second time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from .dcbor import Item

Check: TypeAlias = Callable[[Item], bool]

_AMOUNT = 2**53 - 1
_TOKENS = 2**22
_HOUR = 3_600_000


def _number(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _octets(size: int) -> Check:
    return lambda value: type(value) is bytes and len(value) == size


def _bytes(most: int) -> Check:
    return lambda value: type(value) is bytes and len(value) <= most


def _text(least: int, most: int) -> Check:
    return lambda value: type(value) is str and least <= len(value.encode()) <= most


def _list(check: Check, least: int, most: int) -> Check:
    return lambda value: type(value) is list and least <= len(value) <= most and all(check(each) for each in value)


def is_signed(value: Item) -> bool:
    """Whether ``value`` is the array of a signed object."""
    return type(value) is list and len(value) == 2 and type(value[0]) is bytes and _octets(64)(value[1])


_key = _hash = _octets(32)
_amount = _number(0, _AMOUNT)
_tokens = _number(0, _TOKENS)
_ticks = _number(0, 65_536)
_model = _text(1, 128)
_capabilities = _list(_number(0, 65_535), 0, 64)
_epoch = _amount
_rising = _number(1, _AMOUNT)
_bits = _number(0, 3)
_serial = _octets(16)


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _pair(first: Check, second: Check) -> Check:
    return lambda value: type(value) is list and len(value) == 2 and first(value[0]) and second(value[1])


def _ip(value: Item) -> bool:
    return _octets(4)(value) or _octets(16)(value)


_address = _pair(_ip, _number(1, 65_535))
_HELLO = (_number(0, 1), _key, _hash, _number(0, 65_535), _number(0, 65_535), _capabilities)


def _truth(value: Item) -> bool:
    return type(value) is bool


_long = _text(0, 2**20)
_name = _text(1, 128)


def _prompt(value: Item) -> bool:
    return _long(value) or (type(value) is bytes and 0 < len(value) <= 2**20 and len(value) % 4 == 0)


def _bias(value: Item) -> bool:
    pair = type(value) is list and len(value) == 2
    return pair and _number(0, 2**32 - 1)(value[0]) and _number(-(10**8), 10**8)(value[1])


def _candidate(value: Item) -> bool:
    pair = type(value) is list and len(value) == 2
    return pair and type(value[0]) is bytes and len(value[0]) <= 512 and _number(0, 10**9)(value[1])


def _logprob(value: Item) -> bool:
    return type(value) is list and len(value) == 3 and _candidate(value[:2]) and _list(_candidate, 0, 20)(value[2])


def _of(rule: str) -> Check:
    return lambda value: broken(rule, value) is None


_PENALTY = _number(-2_000_000, 2_000_000)
_GENERATED: Mapping[int, Check] = {
    5: _list(_text(1, 256), 1, 4),
    6: _number(0, 2_000_000),
    7: _number(1, 1_000_000),
    8: _tokens,
    9: _number(0, 1_000_000),
    10: _PENALTY,
    11: _PENALTY,
    12: _number(0, 2**64 - 1),
    14: _number(1, 10_000_000),
    16: _list(_bias, 1, 1024),
    18: _number(0, 20),
}

# The needed keys of each rule, then the optional ones: a tuple begins at 0, or behind the needed ones.
_Checks: TypeAlias = tuple[Check, ...] | Mapping[int, Check]
_RULES: Mapping[str, tuple[_Checks, _Checks]] = {
    "hello-responder": (_HELLO, {}),
    "hello-initiator": ((*_HELLO, _key, _hash, lambda value: type(value) is bool), {}),
    "models": ((_list(is_signed, 0, 64),), {}),
    "error": ((_number(0, 65_535),), {1: _number(0, _HOUR), 2: _amount, 3: _amount}),
    "request": ((lambda value: type(value) is bytes, _octets(32), is_signed, _hash), {}),
    "accept": ((_tokens,), {}),
    "chunk": (
        (_text(0, 16_384), _tokens),
        {
            2: _number(1, 5),
            4: _list(_logprob, 1, 4096),
            6: lambda value: type(value) is bytes and 0 < len(value) <= 2**14,
        },
    ),
    "tick": ((_ticks, _hash), {}),
    "credit": ((_amount,), {}),
    "cancel": ((_amount, _ticks, _hash), {}),
    "end": ((_octets(32), is_signed), {}),
    "countersign": ((_octets(64),), {}),
    "call": ((_number(0, 65_535), _bytes(2**16)), {}),
    "result": ((_bytes(2**16),), {}),
    "message": (
        (_number(1, 4), _long),
        {2: _list(_of("tool-call"), 1, 64), 4: _name, 6: _name, 8: _long},
    ),
    "tool-call": ((_name, _name, _long), {}),
    "tool": ((_name,), {1: _long, 2: _long, 3: _truth}),
    "response-format": ((), {0: _long, 1: _name, 2: _long, 3: _truth}),
    "chat-request": (
        (_number(1, 1), _model, _list(_of("message"), 1, 1024), _number(1, _TOKENS), _number(1, _HOUR)),
        {
            **_GENERATED,
            20: _list(_of("tool"), 1, 512),
            22: lambda value: _number(0, 2)(value) or _name(value),
            24: _truth,
            26: _of("response-format"),
            28: _number(0, 5),
        },
    ),
    "completion-request": (
        (_number(2, 2), _model, _prompt, _number(1, _TOKENS), _number(1, _HOUR)),
        _GENERATED,
    ),
    "embedding-request": (
        {0: _number(3, 3), 1: _model, 2: _list(_prompt, 1, 2048), 4: _number(1, _HOUR)},
        {30: _number(1, 16_384)},
    ),
    "quote-body": (
        (
            _key,
            _hash,
            _model,
            _hash,
            _number(1, _TOKENS),
            _number(0, 10**9),
            _number(0, 10**9),
            _number(1, 2**35),
            _ticks,
            _number(1, 65_536),
            _amount,
        ),
        {},
    ),
    "open-body": (
        (
            _hash,
            _key,
            _key,
            _number(1, _AMOUNT),
            lambda value: value is None or _hash(value),
            _hash,
            _hash,
            _amount,
            _hash,
        ),
        {},
    ),
    "descriptor-body": (
        (
            _key,
            _text(1, 64),
            _number(1, 3),
            _number(1, 3),
            _rising,
            _key,
            _or_null(_list(_hash, 0, 256)),
            _number(1, 2),
            _number(0, 0),
            _or_null(_key),
            _number(1, 2),
            _amount,
        ),
        (),
    ),
    "node-certificate-body": ((_key, _key, _bits, _epoch, _amount, _amount), ()),
    "membership-body": ((_hash, _key, _serial, _bits, _amount, _epoch, _amount, _amount), ()),
    "roll-body": ((_hash, _rising, _amount, _list(_pair(_key, _rising), 0, 1024)), ()),
    "account-epoch-body": ((_key, _rising), ()),
    "invite-body": (
        (_hash, _serial, _number(1, 65_536), _bits, _amount, _amount, _pair(_key, _list(_address, 1, 4))),
        (),
    ),
    "prove": ((_hash,), ()),
    "proved": ((is_signed, is_signed, is_signed, _or_null(is_signed)), ()),
    "show": ((_hash, is_signed, is_signed, _or_null(is_signed)), ()),
    "join": ((_hash, _or_null(is_signed), _key), (is_signed,)),
    "joined": ((is_signed, is_signed, _or_null(is_signed)), ()),
    "revoke": ((is_signed,), ()),
    "empty": ((), ()),
    "reserve": ((is_signed, is_signed, is_signed, is_signed, _number(1, 7200)), ()),
    "reserved": ((_amount,), ()),
    "claim": ((is_signed, is_signed, _ticks, _hash), (is_signed, _octets(64))),
    "settle": ((_list(lambda value: broken("claim", value) is None, 0, 16),), ()),
    "settlement": ((_number(1, 3), _number(0, 65_535), _amount), ()),
    "settled": ((_list(lambda value: broken("settlement", value) is None, 0, 16),), ()),
    "balance": ((_hash,), ()),
    "balanced": ((_amount, _amount), ()),
    "report": ((is_signed, is_signed), ()),
    "record-body": ((_key, _number(1, _AMOUNT), _hash, _list(_address, 0, 4), _amount, _amount), ()),
    "find": ((_hash, _number(1, 64)), ()),
    "found": ((_list(is_signed, 0, 64),), ()),
    "announce": ((is_signed,), ()),
    "close-body": (
        (_hash, _hash, _hash, _hash, _tokens, _tokens, _amount, _number(1, 8), _number(0, 0)),
        {},
    ),
}
_SKIPPED: Mapping[str, int] = {"proved": 2, "show": 2, "reserve": 3, "settlement": 1}
"""Keys among the first that may be missing."""
_CLOSED = frozenset({"hello-responder", "hello-initiator"}) | {rule for rule in _RULES if rule.endswith("-body")}
"""Signed maps, in which no unknown key may be."""


def _checks(rule: str) -> tuple[Mapping[int, Check], Mapping[int, Check]]:
    needed, optional = _RULES[rule]
    first = dict(enumerate(needed)) if isinstance(needed, tuple) else needed
    return first, dict(enumerate(optional, len(first))) if isinstance(optional, tuple) else optional


def broken(rule: str, value: Item) -> str | None:
    """What is wrong with ``value`` as ``rule``; None if nothing is."""
    if type(value) is not dict:
        return "no map"
    needed, optional = _checks(rule)
    for key, content in value.items():
        if type(key) is not int:  # what only a careless reader comes to see
            return "a key that is no integer"
        check = needed.get(key) or optional.get(key)
        if check is not None:
            if not check(content):
                return f"key {key}"
        elif rule in _CLOSED or key % 2 == 0:
            return f"unknown key {key}"
    missing = [key for key in needed if key not in value and key != _SKIPPED.get(rule)]
    return f"no key {missing[0]}" if missing else None


def known(rule: str, value: dict[int, Item]) -> dict[int, Item]:
    """``value`` without the keys that a reader ignores."""
    needed, optional = _checks(rule)
    return {key: content for key, content in value.items() if key in needed or key in optional}
