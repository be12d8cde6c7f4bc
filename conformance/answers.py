"""Answers and what they were asked for: SPEC.md, "Inference exchange", written down a second time.

Contents and CHUNK bodies are maps of the shapes of `conformance.shapes`. A check says which requirement it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeAlias

from .dcbor import Item
from .finish import STOP, TOOL_CALLS

CHAT, COMPLETE, EMBED = 1, 2, 3
CONTENTS = {CHAT: "chat-request", COMPLETE: "completion-request", EMBED: "embedding-request"}
"""The rule of each operation."""
CAPABILITIES = {CHAT: 1, COMPLETE: 3, EMBED: 4}
"""The capability that each operation needs."""
REASONING, CALL, ARGUMENTS, VECTOR, VALUES = 1, 2, 3, 4, 5
_SYSTEM, _USER, _ASSISTANT, _TOOL = 1, 2, 3, 4
_MOST_CALLS = 64
_MOST_NUMBERS = 16_384

Map: TypeAlias = dict[int, Item]
Broken: TypeAlias = Iterator[tuple[str, bool]]
"""A requirement, and whether it is broken."""


def operation_of(content: Item) -> int | None:
    """The operation that ``content`` names; None where it names none."""
    found = content.get(0) if type(content) is dict else None
    return found if type(found) is int else None


def is_consistent(content: Map) -> bool:
    """Whether the fields of a content say nothing against each other (INF-034)."""
    tokens = [token for token, _ in content.get(16, [])]
    if any(first >= second for first, second in pairwise(tokens)):
        return False
    return content[0] != CHAT or (_tools_hold(content) and _messages_hold(content[2]))


def _tools_hold(content: Map) -> bool:
    names = [tool[0] for tool in content.get(20, [])]
    choice = content.get(22)
    chosen = choice in names if type(choice) is str else choice != 2 or bool(names)
    return chosen and len(set(names)) == len(names)


def _messages_hold(messages: list[Map]) -> bool:
    known: list[str] = []
    for message in messages:
        ids = [call[0] for call in message.get(2, [])]
        if message[0] != _ASSISTANT and (2 in message or 8 in message):
            return False
        if (4 in message) is not (message[0] == _TOOL) or len(set(ids)) != len(ids):
            return False
        if 4 in message and message[4] not in known:
            return False
        known += ids
    return True


def is_heartbeat(chunk: Map) -> bool:
    """Whether a CHUNK says nothing."""
    return not (chunk[0] or chunk[1] or chunk.get(4) or chunk.get(6))


def answer_of(chunks: Iterable[Map], finish: int) -> Map:
    """What the commitment to the answer of these CHUNK frames is over."""
    said: list[str] = []
    thought: list[str] = []
    calls: list[list[str]] = []
    logprobs: list[Item] = []
    vectors: list[bytes] = []
    tokens = 0
    for chunk in chunks:
        part = chunk.get(2, 0)
        tokens += chunk[1]
        logprobs += chunk.get(4, [])
        if part == 0:
            said.append(chunk[0])
        elif part == REASONING:
            thought.append(chunk[0])
        elif part == CALL:
            calls.append([chunk[0], ""])
        elif part == ARGUMENTS and calls:
            calls[-1][1] += chunk[0]
        elif part == VECTOR:
            vectors.append(chunk.get(6, b""))
        elif part == VALUES and vectors:
            vectors[-1] += chunk.get(6, b"")
    answer: Map = {0: "".join(said), 1: finish, 2: tokens}
    more: Map = {3: "".join(thought), 4: calls, 5: logprobs, 6: vectors}
    return answer | {key: value for key, value in more.items() if value}


class Reading:
    """Looks at the CHUNK frames of one answer in their order, and says what breaks *What may come*."""

    def __init__(self, content: Map) -> None:
        self._content = content
        self._last = 0
        self._calls = self._tokens = self._told = 0
        self._sizes: list[int] = []
        """Bytes of each vector."""

    def take(self, chunk: Map) -> Broken:
        """Every check of one more CHUNK."""
        part = chunk.get(2, 0)
        self._tokens += chunk[1]
        if self._content[0] == EMBED:
            yield "INF-039", not self._is_of_vectors(chunk)
        else:
            allowed = range(4) if self._content[0] == CHAT else range(1)
            yield "INF-035", part not in allowed or 6 in chunk
            yield "INF-036", part == ARGUMENTS and self._last not in (CALL, ARGUMENTS)
            yield "INF-037", part == CALL and not self._may_be_called(chunk[0])
        told = chunk.get(4, [])
        self._told += len(told)
        most = self._content.get(18, -1)
        too_many = any(len(each[2]) > most for each in told) or self._told > self._tokens
        yield "INF-038", bool(told) and (most < 0 or too_many)
        if chunk[0] or part == CALL:
            self._last = part

    def _may_be_called(self, name: str) -> bool:
        self._calls += 1
        choice = self._content.get(22)
        names = [tool[0] for tool in self._content.get(20, []) if type(choice) is not str or tool[0] == choice]
        most = 1 if self._content.get(24) is False else _MOST_CALLS
        return choice != 0 and name in names and self._calls <= most

    def _is_of_vectors(self, chunk: Map) -> bool:
        if is_heartbeat(chunk) and 2 not in chunk:
            return True
        if chunk.get(2) == VECTOR:
            self._sizes.append(0)
        if chunk.get(2) not in (VECTOR, VALUES) or not self._sizes or 6 not in chunk or chunk[0]:
            return False
        self._sizes[-1] += len(chunk[6])
        most = 4 * self._content.get(30, _MOST_NUMBERS)
        return self._sizes[-1] <= most and len(self._sizes) <= len(self._content[2])

    def end(self, finish: int) -> Broken:
        """Every check of the reason in END."""
        lacks = finish == TOOL_CALLS and not self._calls
        if self._content[0] == EMBED and finish == STOP:
            sizes = set(self._sizes)
            asked = 4 * self._content[30] if 30 in self._content else None
            whole = len(sizes) == 1 and not any(size % 4 for size in sizes) and (asked is None or sizes == {asked})
            lacks = lacks or not whole or len(self._sizes) != len(self._content[2])
        yield "INF-040", lacks
