"""Text as it comes: whole characters only, and not one character of a stop sequence."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from reference_node.engine.text import MAX_HELD_TOKENS, Detokenizer, StopMatcher, TextStream
from tests.models.tiny import MERGES, TOKENS


def byte_tokenizer() -> Tokenizer:
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in MERGES)]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(TOKENS)}, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(TOKENS[:4])
    return tokenizer


TOKENIZER = byte_tokenizer()


def encode(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False).ids)


@given(st.text())
@example("naïve 日本 👩‍👩‍👧 \u0301x")
def test_pieces_add_up_and_hold_whole_characters(text: str) -> None:
    detokenizer = Detokenizer(TOKENIZER)
    pieces = [detokenizer.push(token) for token in encode(text)]
    assert "".join(pieces) == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


@given(st.lists(st.integers(4, len(TOKENS) - 1), max_size=40))
def test_any_tokens_decode(tokens: list[int]) -> None:
    detokenizer = Detokenizer(TOKENIZER)
    text = "".join(detokenizer.push(token) for token in tokens)
    assert TOKENIZER.decode(tokens).startswith(text[:1])


def test_bytes_that_never_become_a_character_are_not_held_for_ever() -> None:
    detokenizer = Detokenizer(TOKENIZER)
    lone = encode("é")[1]
    pieces = [detokenizer.push(lone) for _ in range(MAX_HELD_TOKENS)]
    assert pieces[:-1] == [""] * (MAX_HELD_TOKENS - 1)
    assert set(pieces[-1]) == {"\ufffd"}


def test_special_tokens_are_no_text() -> None:
    detokenizer = Detokenizer(TOKENIZER)
    assert [detokenizer.push(token) for token in (1, *encode("hi"), 2)] == ["", "h", "i", ""]


def split(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """Where the first stop sequence that ends begins: the oracle."""
    for end in range(len(text) + 1):
        ended = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if ended:
            return text[: end - max(map(len, ended))], True
    return text, False


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=4), st.integers(1, 5))
def test_stop_sequences_never_leak(text: str, stops: list[str], size: int) -> None:
    matcher, out = StopMatcher(stops), ""
    expected, stopped = split(text, tuple(stops))
    for i in range(0, len(text), size):
        out += matcher.push(text[i : i + size])
        assert expected.startswith(out)
    assert matcher.stopped == stopped
    assert out + matcher.flush() == expected


def test_text_is_held_only_while_it_may_become_a_stop_sequence() -> None:
    matcher = StopMatcher(["STOP"])
    assert [matcher.push(piece) for piece in ("a", "ST", "x", "STO", "P!")] == ["a", "", "STx", "", ""]
    assert matcher.stopped
    assert matcher.push("more") == ""


def test_overlapping_beginnings() -> None:
    matcher = StopMatcher(["aab"])
    assert matcher.push("aaa") == "a"
    assert matcher.push("ab") == "a"
    assert matcher.stopped


@pytest.mark.parametrize("stops", [(), ("",)])
def test_no_stop_sequences(stops: tuple[str, ...]) -> None:
    assert StopMatcher(stops).push("abc") == "abc"


def test_an_unfinished_character_is_dropped_at_the_end() -> None:
    stream = TextStream(TOKENIZER, ["zz"])
    first, _ = encode("é")
    assert [stream.push(token) for token in (*encode("az"), first)] == ["a", "", ""]
    assert stream.flush() == "z"
