"""Values of a backend's JSON, each checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mycellm_proto import limits
from reference_node.backend.faults import BackendFault, Trouble


class Usage:
    """A backend's own count: tokens read, tokens written, and how many of the first it had cached."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.input = _count(value.get("prompt_tokens"))
        self.output = _count(value.get("completion_tokens") or 0)
        details = value.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        self.cached = cached if type(cached) is int and 0 <= cached <= self.input else None

    @staticmethod
    def of(chunk: Mapping[str, Any]) -> Usage | None:
        """What a chunk tells. Raises `BackendFault`."""
        value = chunk.get("usage")
        return Usage(value) if isinstance(value, dict) else None


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= limits.MAX_TOKENS:
        raise BackendFault(Trouble.UNCOUNTED)
    return value


def text_of(value: object) -> str:
    """Text that can be sent: JSON can also hold halves of characters."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BackendFault(Trouble.GARBLED)
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
