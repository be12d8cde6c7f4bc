"""Tool calls of an answer, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mycellm_proto import limits
from mycellm_proto.answer import Part
from mycellm_proto.content import ChatRequest, ToolMode
from reference_node.backend.faults import BackendFault, Trouble
from reference_node.backend.values import text_of


class Calls:
    """Tool calls. One that may not be made goes out as text: it is the model's fault, and no one else's."""

    def __init__(self, request: ChatRequest) -> None:
        self.count = 0
        self._may = _callable(request)
        self._most = 1 if request.parallel_tool_calls is False else limits.MAX_TOOL_CALLS
        self._index: int | None = None
        self._as_text = self._empty = False

    def take(self, value: object) -> Iterator[tuple[Part, str]]:
        """What ``tool_calls`` of a chunk adds. Raises `BackendFault`."""
        if value is None:
            return
        if not isinstance(value, list):
            raise BackendFault(Trouble.GARBLED)
        for position, each in enumerate(value):
            function = each.get("function") if isinstance(each, dict) else None
            if not isinstance(function, dict):
                raise BackendFault(Trouble.GARBLED)
            index = each.get("index", position)
            name, arguments = text_of(function.get("name")), text_of(function.get("arguments"))
            if name and index != self._index:
                yield from self._begin(index, name)
            elif index != self._index:
                raise BackendFault(Trouble.GARBLED)  # arguments of another call than the one under way
            if arguments:
                self._empty = False
                yield (Part.ANSWER if self._as_text else Part.ARGUMENTS), arguments

    def _begin(self, index: int, name: str) -> Iterator[tuple[Part, str]]:
        if closing := self.close():
            yield Part.ANSWER, closing
        self._index, self._empty = index, True
        self._as_text = name not in self._may or self.count >= self._most
        if self._as_text:
            yield Part.ANSWER, f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '
        else:
            self.count += 1
            yield Part.CALL, name

    def close(self) -> str:
        """The end of a call that went out as text."""
        was, self._as_text = self._as_text, False
        return ("{}}" if self._empty else "}") if was else ""


def _callable(request: ChatRequest) -> frozenset[str]:
    if request.tool_choice is ToolMode.NONE:
        return frozenset()
    if isinstance(request.tool_choice, str):
        return frozenset((request.tool_choice,))
    return frozenset(tool.name for tool in request.tools)
