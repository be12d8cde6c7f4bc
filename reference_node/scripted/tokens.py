"""Tokens without a vocabulary: a token is up to `ASCII_CHARACTERS` characters of ASCII, or one other character.

A token's id holds its characters, so that any text can be cut and put together again without a table, and no token is
half a character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ASCII_CHARACTERS = 4
"""About what a token of a real vocabulary covers in English and in code."""

OTHERS = 1 << 29
"""Ids from here on are one character that is not ASCII; below lie up to four of 128, as digits in base 129."""

BASE = 129
UNKNOWN = "\ufffd"
"""What an id of some other vocabulary reads as."""

_PIECES = re.compile(rf"[\x00-\x7f]{{1,{ASCII_CHARACTERS}}}|[^\x00-\x7f]")


def cut(text: str) -> list[str]:
    """The text of each token, which together are ``text``."""
    return _PIECES.findall(text)


def count(text: str) -> int:
    """How many tokens ``text`` has."""
    return len(cut(text))


def encode(text: str) -> list[int]:
    """The ids of the tokens of ``text``."""
    return [_id(piece) for piece in cut(text)]


def decode(ids: Iterable[int]) -> str:
    """The text of these tokens; `UNKNOWN` for each id that is none."""
    return "".join(map(_text, ids))


def _id(piece: str) -> int:
    if ord(piece[0]) >= BASE - 1:
        return OTHERS + ord(piece)
    number = 0
    for character in reversed(piece):
        number = number * BASE + ord(character) + 1
    return number


def _text(token: int) -> str:
    if token >= OTHERS:
        code = token - OTHERS
        return UNKNOWN if code < BASE - 1 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
    characters: list[str] = []
    while token > 0:
        token, digit = divmod(token, BASE)
        if not digit or len(characters) == ASCII_CHARACTERS:
            return UNKNOWN
        characters.append(chr(digit - 1))
    return "".join(characters) or UNKNOWN
