"""A call that a grammar holds to its form goes out while it comes: nothing but the end of an answer can break it."""

from __future__ import annotations

import json
import re
from enum import Enum, auto

from mycellm_proto.answer import Part

HEAD = re.compile(r'\s*\[?\{"name": ("(?:[^"\\]|\\.)*+"), "(?:arguments|parameters)": (?=\{)', re.DOTALL)
"""What stands before the arguments, as `reference_node.engine.calls.format.call_rule` has it."""

Pieces = list[tuple[Part, str]]


class _State(Enum):
    HEAD = auto()
    ARGUMENTS = auto()
    TAIL = auto()
    OVER = auto()


class GuidedCall:
    """Reads one call, of which ``held`` has come, to where ``tail`` has come, which stands behind the arguments."""

    def __init__(self, tail: str, held: str) -> None:
        self._tail, self._state = tail, _State.HEAD
        self._held = held
        self._depth, self._quoted, self._escaped = 0, False, False

    @property
    def over(self) -> bool:
        """Whether all of it has come."""
        return self._state is _State.OVER

    @property
    def begun(self) -> bool:
        """Whether any of it went out."""
        return self._state is not _State.HEAD

    @property
    def held(self) -> str:
        """What has come and did not go out."""
        return self._held

    def push(self, text: str) -> Pieces:
        """What is certain after ``text``."""
        self._held += text
        pieces: Pieces = []
        if self._state is _State.HEAD and (head := HEAD.match(self._held)):
            self._state, self._held = _State.ARGUMENTS, self._held[head.end() :]
            pieces.append((Part.CALL, json.loads(head[1])))
        if self._state is _State.ARGUMENTS and (count := self._scan()):
            pieces.append((Part.ARGUMENTS, self._held[:count]))
            self._held = self._held[count:]
        if self._state is _State.TAIL and len(self._held) >= len(self._tail):
            self._state, self._held = _State.OVER, self._held[len(self._tail) :]
        return pieces

    def _scan(self) -> int:
        """How many characters of what is held are arguments. Each is looked at once."""
        for index, character in enumerate(self._held):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped, self._quoted = character == "\\", character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if not self._depth:
                    self._state = _State.TAIL
                    return index + 1
        return len(self._held)
