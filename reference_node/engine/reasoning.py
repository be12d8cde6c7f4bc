"""Splits what a model thinks, between ``<think>`` and ``</think>`` at an answer's beginning, from the answer itself."""

from __future__ import annotations

from enum import Enum, auto

from mycellm_proto.answer import Part

OPEN, CLOSE = "<think>", "</think>"

Pieces = list[tuple[Part, str]]


class _State(Enum):
    BEFORE = auto()
    INSIDE = auto()
    BEHIND = auto()
    OVER = auto()


class ReasoningSplitter:
    """Reads one answer. ``inside``: the prompt has begun the reasoning already. White space at the borders of reasoning
    is dropped. However the text is cut, the parts together are the same.
    """

    def __init__(self, *, inside: bool) -> None:
        self._state = _State.INSIDE if inside else _State.BEFORE
        self._held = ""
        self._thought = False

    def push(self, text: str) -> Pieces:
        """What is certain after ``text``."""
        self._held += text
        pieces: Pieces = []
        if self._state is _State.BEFORE:
            self._begin()
        if self._state is _State.INSIDE:
            pieces += self._think()
        if self._state is _State.BEHIND:
            self._held = self._held.lstrip()
            self._state = _State.OVER if self._held else _State.BEHIND
        if self._state is _State.OVER and self._held:
            pieces.append((Part.ANSWER, self._held))
            self._held = ""
        return pieces

    def flush(self) -> Pieces:
        """The rest, when nothing more comes."""
        rest, self._held = self._held, ""
        if self._state is _State.INSIDE:
            return [(Part.REASONING, rest)] if (rest := rest.rstrip()) else []
        return [(Part.ANSWER, rest)] if rest else []

    def _begin(self) -> None:
        begins = self._held.lstrip()
        if begins.startswith(OPEN):
            self._state, self._held = _State.INSIDE, begins[len(OPEN) :]
        elif not OPEN.startswith(begins):
            self._state = _State.OVER

    def _think(self) -> Pieces:
        end = self._held.find(CLOSE)
        if end >= 0:
            thought, self._held = self._held[:end].rstrip(), self._held[end + len(CLOSE) :]
            self._state = _State.BEHIND
        else:
            keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if self._held.endswith(CLOSE[:n])), 0)
            thought = self._held[: len(self._held) - keep].rstrip()
            self._held = self._held[len(thought) :]
        if not self._thought:
            self._held = self._held.lstrip() if not thought.strip() and self._state is _State.INSIDE else self._held
            thought = thought.lstrip()
        self._thought = self._thought or bool(thought)
        return [(Part.REASONING, thought)] if thought else []
