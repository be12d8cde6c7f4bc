"""The tools of a request for a response: flat as a model sees them, and with their namespaces as its client does.

A tool stands in ``tools``, in a namespace there, or (Codex) in an item of the input of type ``additional_tools``. Names
are unique inside a namespace only; a model is told the bare name where that is unique, else ``namespace.name``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import StrictBool

from mycellm_proto.content import Tool

from .checks import Name, Strict, json_text, part_of, unsupported, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ITEM = "additional_tools"
"""The type of an item that offers tools."""
CUSTOM_SCHEMA = '{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'
"""A custom tool takes free text; models here call functions, so its text is the one argument of a function."""


class ToolBody(Strict):
    """A function, or a custom tool that takes free text."""

    type: Literal["function", "custom"]
    name: Name
    namespace: Name | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: StrictBool | None = None

    def tool(self, name: str) -> Tool:
        """The tool as it crosses. Raises `ApiError` 400."""
        if self.type == "custom":
            return Tool(name=name, description=self.description, parameters=CUSTOM_SCHEMA)
        schema = None if self.parameters is None else json_text(self.parameters, "tools")
        return Tool(name=name, description=self.description, parameters=schema, strict=self.strict)

    def shown(self) -> dict[str, Any]:
        """The tool in the answer."""
        shown: dict[str, Any] = {"type": self.type, "name": self.name, "description": self.description}
        shown |= {"namespace": self.namespace} if self.namespace else {}
        return shown | ({"parameters": self.parameters, "strict": self.strict} if self.type == "function" else {})


class Toolbox:
    """The offered tools by the names that the model is told."""

    def __init__(self, tools: Sequence[ToolBody]) -> None:
        self._often = Counter(tool.name for tool in tools)
        self._tools = [(self.told(tool.name, tool.namespace), tool) for tool in tools]
        self._by_name = dict(self._tools)

    def told(self, name: str, namespace: str | None) -> str:
        """What the model knows a tool as; also one of an earlier turn that is not offered any more."""
        return f"{namespace}.{name}" if namespace and self._often[name] > 1 else name

    def offered(self) -> tuple[Tool, ...]:
        """The tools as they cross. Raises `ApiError` 400."""
        return tuple(tool.tool(name) for name, tool in self._tools)

    def find(self, name: str) -> ToolBody | None:
        """The tool that the model calls so."""
        return self._by_name.get(name)


def gathered(value: object) -> object:
    """A body, its tools those of ``tools`` and those that its input offers. Raises for what are no tools."""
    items = value.get("input") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(items, list):
        return value
    more = [tool for item in items if isinstance(item, dict) and item.get("type") == ITEM for tool in _list_of(item)]
    tools = value.get("tools") or []
    return value | {"tools": [*tools, *more]} if more and isinstance(tools, list) else value


def _list_of(item: Mapping[str, object]) -> list[object]:
    tools = item.get("tools")
    if not isinstance(tools, list):
        raise wrong(f"an item of type {ITEM} has a list of tools")
    return tools


def flat(value: object) -> object:
    """Tools without those that the client's own service would run, namespaces opened. Raises for what are no tools."""
    if not isinstance(value, list):
        raise wrong("it is a list of tools")
    return list(_flat(value))


def _flat(tools: Sequence[object]) -> Iterator[dict[str, object]]:
    for tool in map(part_of, tools):
        if tool.get("type") in ("function", "custom"):
            yield tool
        elif tool.get("type") == "namespace" and isinstance(inner := tool.get("tools"), list):
            yield from (
                part_of(each) | {"namespace": tool.get("name")}
                for each in inner
                if part_of(each).get("type") in ("function", "custom")
            )


def check_choice(body: Mapping[str, object]) -> None:
    """Refuse a choice of a tool that is left out. Raises `ApiError` 400."""
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") not in ("function", "custom"):
        raise unsupported("tool_choice", f"tools of type {str(choice.get('type'))[:60]!r} are not run here")
