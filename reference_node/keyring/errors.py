"""What cannot be done with a key."""

from __future__ import annotations


class KeyringError(Exception):
    """The message says what is wrong and what to do; it holds nothing secret."""
