"""Reasoning is split from answers, however the text is cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.answer import Part
from reference_node.engine.reasoning import ReasoningSplitter


def split(chunks: Iterable[str], *, inside: bool = False) -> tuple[str, str]:
    """Reasoning and answer; checks that the one is before the other."""
    splitter = ReasoningSplitter(inside=inside)
    pieces = [piece for chunk in chunks for piece in splitter.push(chunk)] + splitter.flush()
    parts = [part for part, _ in pieces]
    assert parts == sorted(parts, key=lambda part: part is Part.ANSWER)
    answer = "".join(text for part, text in pieces if part is Part.ANSWER)
    return "".join(text for part, text in pieces if part is Part.REASONING), answer


@pytest.mark.parametrize(
    ("text", "inside", "expected"),
    [
        ("hello", False, ("", "hello")),
        ("<think>\nhm\n</think>\n\nhello", False, ("hm", "hello")),
        ("\n<think></think>hello", False, ("", "hello")),
        ("<think> a\n b ", False, ("a\n b", "")),
        ("so <think>no</think>", False, ("", "so <think>no</think>")),
        ("hm\n</think>\n\nhello </think>", True, ("hm", "hello </think>")),
        ("<thin", False, ("", "<thin")),
        (" hello", False, ("", " hello")),
    ],
)
def test_reasoning_is_what_stands_in_the_tags(text: str, inside: bool, expected: tuple[str, str]) -> None:
    assert split([text], inside=inside) == expected


FRAGMENTS = ("<think>", "</think>", "\n", " ", "a", "<", "</", "think>")
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 60), max_size=6), inside=st.booleans())
def test_the_cut_makes_no_difference(text: str, cuts: list[int], inside: bool) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[a:b] for a, b in itertools.pairwise(places)]
    assert split(chunks, inside=inside) == split(text, inside=inside) == split([text], inside=inside)
