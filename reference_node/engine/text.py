"""From tokens to text as it comes: never half a character, never any part of a stop sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

UNFINISHED = "\ufffd"
"""What a tokenizer decodes the beginning of a UTF-8 character to."""

MAX_HELD_TOKENS = 16
"""Tokens held for one character. UTF-8 has at most 4 bytes, so after this many the bytes are no text; they go out as
U+FFFD.
"""


class Detokenizer:
    """Decodes one answer token by token. The pieces add up to the text of the whole. Special tokens are no text but for
    those that are ``shown``: by id, as what.
    """

    def __init__(self, tokenizer: Tokenizer, shown: Mapping[int, str] | None = None) -> None:
        self._tokenizer, self._shown = tokenizer, shown or {}
        self._window: list[int] = []
        self._sent = (
            0  # tokens at the window's start whose text went out; kept, as decoding may depend on what precedes
        )

    def push(self, token: int) -> str:
        """The text that this token completes."""
        if token in self._shown:
            self._window, self._sent = [], 0  # nothing is decoded across it
            return self._shown[token]
        self._window.append(token)
        before, text = self._decode(self._window[: self._sent]), self._decode(self._window)
        if text.endswith(UNFINISHED) and len(self._window) - self._sent < MAX_HELD_TOKENS:
            return ""
        self._window = self._window[self._sent :]
        self._sent = len(self._window)
        return text[len(before) :]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)) if tokens else ""


class StopMatcher:
    """Passes text on up to the first stop sequence. Text that could become one is held back.

    Each sequence is matched by the automaton of Knuth, Morris and Pratt: constant work for a character, whatever the
    sequences are.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._automata = [_Automaton(stop) for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """The text that may go out now. After a stop sequence ended in it, ``stopped`` is true and nothing more
        comes.
        """
        if self.stopped:
            return ""
        self._held += text
        for position in range(len(self._held) - len(text), len(self._held)):
            ended = [a.length for a in self._automata if a.step(self._held[position])]
            if ended:
                self.stopped = True
                out, self._held = self._held[: position + 1 - max(ended)], ""
                return out
        keep = max((automaton.matched for automaton in self._automata), default=0)
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return out

    def flush(self) -> str:
        """What was held back, when the answer ends without a stop sequence."""
        out, self._held = self._held, ""
        return out


class _Automaton:
    def __init__(self, pattern: str) -> None:
        self.length, self.matched = len(pattern), 0
        self._pattern = pattern
        self._border = [0] * len(pattern)
        for i in range(1, len(pattern)):
            self._border[i] = self._advance(self._border[i - 1], pattern[i])

    def step(self, character: str) -> bool:
        """Takes one character; true if the pattern ends with it."""
        self.matched = self._advance(self.matched, character)
        return self.matched == self.length

    def _advance(self, matched: int, character: str) -> int:
        while matched and self._pattern[matched] != character:
            matched = self._border[matched - 1]
        return matched + 1 if self._pattern[matched] == character else 0


class TextStream:
    """A detokenizer followed by a stop matcher. ``taken`` and ``given`` count the characters that went in and out."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], shown: Mapping[int, str] | None = None) -> None:
        self._detokenizer = Detokenizer(tokenizer, shown)
        self._matcher = StopMatcher(stops)
        self.taken = self.given = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence has ended the answer."""
        return self._matcher.stopped

    def push(self, token: int) -> str:
        """The text that may go out after this token."""
        text = self._detokenizer.push(token)
        self.taken += len(text)
        out = self._matcher.push(text)
        self.given += len(out)
        return out

    def flush(self) -> str:
        """The rest at the end. The bytes of an unfinished character are dropped."""
        out = self._matcher.flush()
        self.given += len(out)
        return out
