"""The items of a response's output, and how they are written."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import logprobs

if TYPE_CHECKING:
    from mycellm_proto.answer import Logprob

    from .responses_body import Format


@dataclass(slots=True, kw_only=True)
class Item:
    """One item of the output. ``pieces`` are its text, its thoughts, or the arguments of its call."""

    kind: str
    id: str
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Logprob] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What has come of it; of a custom tool, its free text."""
        joined = "".join(self.pieces)
        return _free_text(joined) if self.kind == "custom_tool_call" else joined

    def content(self) -> dict[str, Any]:
        """The one content part of a message or of reasoning."""
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": self.text}
        return {
            "type": "output_text", "text": self.text, "annotations": [], "logprobs": logprobs.content(self.logprobs),
        }  # fmt: skip

    def shown(self, status: str, *, empty: bool = False) -> dict[str, Any]:
        """The item in JSON; ``empty`` as it is when it begins."""
        item: dict[str, Any] = {"type": self.kind, "id": self.id, "status": status}
        if self.kind == "message":
            return item | {"role": "assistant", "content": [] if empty else [self.content()]}
        if self.kind == "reasoning":
            return item | {"summary": [], "content": [] if empty else [self.content()]}
        key = "arguments" if self.kind == "function_call" else "input"
        item |= {"namespace": self.namespace} if self.namespace else {}
        return item | {"call_id": self.call_id, "name": self.name, key: "" if empty else self.text}


def _free_text(arguments: str) -> str:
    """The input of a custom tool: the one argument, or what the model wrote instead."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments


def shown_format(wanted: Format | None) -> dict[str, Any]:
    """``text.format`` as a response says it."""
    if wanted is None or wanted.type == "text":
        return {"type": "text"}
    if wanted.type == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema", "name": wanted.name, "description": wanted.description, "schema": wanted.json_schema,
        "strict": wanted.strict,
    }  # fmt: skip


def new_id(prefix: str) -> str:
    """A new id, such as ``msg_…``."""
    return f"{prefix}_{secrets.token_hex(24)}"
