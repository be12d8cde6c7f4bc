"""What may come next in an answer that must have a form: the one module that imports llguidance.

A `Constraint` is a position in a grammar. It says which tokens may follow, costs microseconds for each, and belongs to
one answer alone, so that rows without one cost nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from threading import Lock

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from mycellm_proto.errors import ErrorCode
from reference_node.engine.calls.format import parse_json
from reference_node.engine.lark import json_term
from reference_node.generation import GenerationError

CACHED = 64
"""Grammars that are kept compiled; agents send the same tools with every turn."""

Allowed = NDArray[np.bool_]


class Constraint:
    """A grammar, and what of it has come. ``whole``: the answer ends with it."""

    def __init__(self, matcher: LLMatcher, vocabulary: int, ends: NDArray[np.int64], *, whole: bool) -> None:
        self._matcher, self._ends, self.whole = matcher, ends, whole
        self._words = np.zeros(-(-vocabulary // 32), np.int32)
        self._vocabulary = vocabulary

    @property
    def done(self) -> bool:
        """Whether nothing more of it may come."""
        return bool(self._matcher.is_stopped())

    def fresh(self) -> Constraint:
        """The same at its beginning, for another answer."""
        return Constraint(self._matcher.deep_copy(), self._vocabulary, self._ends, whole=self.whole)

    def allowed(self) -> Allowed:
        """For each token of the vocabulary, whether it may be next."""
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        bits = np.unpackbits(self._words.view(np.uint8), bitorder="little", count=self._vocabulary)
        allowed: Allowed = bits.view(np.bool_)
        if len(self._ends):
            allowed[self._ends] = self.whole and self._matcher.is_accepting()
        return allowed

    def take(self, token: int) -> None:
        """Goes on behind a token that was allowed."""
        self._matcher.consume_token(token)

    def feed(self, tokens: list[int]) -> bool:
        """Goes on behind text that is there already; false if it does not fit."""
        return self._matcher.try_consume_tokens(tokens) == len(tokens)


class Grammars:
    """Compiles grammars for one tokenizer. `constraint` may be called on any thread. Raises `ValueError` for a
    tokenizer of a kind that llguidance does not know.
    """

    def __init__(self, tokenizer: Path | str, vocabulary: int, end_tokens: Collection[int]) -> None:
        """``tokenizer``: the path of a tokenizer.json, or its text."""
        ends = sorted(end_tokens)
        self._tokenizer = LLTokenizer(str(tokenizer), n_vocab=vocabulary, eos_token=ends[0] if ends else None)
        self._vocabulary, self._ends = vocabulary, np.array(ends, np.int64)
        self._compiled: OrderedDict[tuple[str, bool], Constraint] = OrderedDict()
        self._lock = Lock()

    def constraint(self, lark: str, parameter: str, *, whole: bool) -> Constraint:
        """The beginning of a grammar in llguidance's Lark. Raises `GenerationError` (UNSUPPORTED) naming ``parameter``
        if it cannot be compiled.
        """
        key = (lark, whole)
        with self._lock:
            found = self._compiled.get(key)
            if found is not None:
                self._compiled.move_to_end(key)
        if found is None:
            found = self._compile(lark, parameter, whole=whole)
            with self._lock:
                self._compiled[key] = found
                while len(self._compiled) > CACHED:
                    self._compiled.popitem(last=False)
        return found.fresh()

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, in some way that gives its bytes."""
        return list(self._tokenizer.tokenize_str(text))

    def bytes_of(self, token: int) -> bytes:
        """A token's own bytes; a special one's name."""
        return bytes(self._tokenizer.decode_bytes([token]))

    def _compile(self, lark: str, parameter: str, *, whole: bool) -> Constraint:
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)
        if matcher.is_error():
            raise unsupported(parameter)
        return Constraint(matcher, self._vocabulary, self._ends, whole=whole)


def json_rule(schema: str | None) -> str:
    """The Lark term for JSON of a schema; of any object without one. Raises `GenerationError` (UNSUPPORTED)."""
    parsed = {"type": "object"} if schema is None else parse_json(schema)
    if not isinstance(parsed, dict):
        raise unsupported("response_format")
    return json_term(parsed)


def unsupported(parameter: str) -> GenerationError:
    """The refusal of a parameter by its name."""
    return GenerationError(ErrorCode.UNSUPPORTED, parameter=parameter)
