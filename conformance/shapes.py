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

# The needed keys of each rule, from 0 on where they are a tuple, then the optional ones.
_RULES: Mapping[str, tuple[tuple[Check, ...] | Mapping[int, Check], Mapping[int, Check]]] = {
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
    "close-body": (
        (_hash, _hash, _hash, _hash, _tokens, _tokens, _amount, _number(1, 8), _number(0, 0)),
        {},
    ),
}
_CLOSED = frozenset({"hello-responder", "hello-initiator", "quote-body", "open-body", "close-body"})
"""Signed maps, in which no unknown key may be."""


def _checks(rule: str) -> tuple[Mapping[int, Check], Mapping[int, Check]]:
    needed, optional = _RULES[rule]
    return (dict(enumerate(needed)) if isinstance(needed, tuple) else needed), optional


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
    missing = [key for key in needed if key not in value]
    return f"no key {missing[0]}" if missing else None


def known(rule: str, value: dict[int, Item]) -> dict[int, Item]:
    """``value`` without the keys that a reader ignores."""
    needed, optional = _checks(rule)
    return {key: content for key, content in value.items() if key in needed or key in optional}
