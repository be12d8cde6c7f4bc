"""Text of a peer as people may safely see it, in a terminal, a log or a page (SPEC.md, "Security considerations")."""

from __future__ import annotations


def printable(text: str, *, lines: bool = False) -> str:
    """``text`` with escapes for what is not to be seen: controls, bidirectional marks, surrogates.

    ``lines`` keeps the ends of lines.
    """
    return "".join(each if each.isprintable() or (lines and each == "\n") else _escape(each) for each in text)


def shortened(text: str, most: int) -> str:
    """``text``, printable, of at most ``most`` characters and an ellipsis."""
    return printable(text if len(text) <= most else f"{text[:most]}…")


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
