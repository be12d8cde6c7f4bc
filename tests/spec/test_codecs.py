"""Two codecs on instances of every rule, and on bytes near them: they agree, and decoding loses nothing."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import dcbor
from mycellm_proto import codec
from mycellm_proto.content_codec import CHAT_REQUEST, decode_content
from mycellm_proto.economy import CLOSE, OPEN, QUOTE
from mycellm_proto.errors import ProtocolError, RemoteProtocolError
from mycellm_proto.frames import FrameType, decode_frame
from mycellm_proto.framing import RawFrame
from mycellm_proto.hello import INITIATOR_HELLO, RESPONDER_HELLO

from .grammar import Grammar

GRAMMAR = Grammar()
RULES = ("frame", "chat-request", "receipt", "quote-body", "open-body", "close-body", "hello-initiator")
SHAPES = {shape.name: shape for shape in (CHAT_REQUEST, QUOTE, OPEN, CLOSE, INITIATOR_HELLO, RESPONDER_HELLO)}
BODIES = [kind for kind in FrameType if kind is not FrameType.HELLO]
TELLING = (0x18, 0x19, 0x1B, 0x1F, 0x5F, 0x9F, 0xBF, 0xC0, 0xF6, 0xF7, 0xFB, 0xFF, 0xA1, 0x82)
"""Bytes at which decoders tend to differ: wide heads, indefinite lengths, tags, floats, breaks."""

BOUNDS = (
    *(0, 1, 3, 7, 65_535, 65_536, 1_000_000, 2_000_000, 3_600_000, 10**9),
    *(1 << 22, 1 << 35, (1 << 53) - 1),
)
STRANGE: tuple[Any, ...] = (
    *(bound + more for bound in BOUNDS for more in (0, 1)),
    *(-1, -2_000_000, -2_000_001, (1 << 64) - 1, None, True, {}),
    *(b"", bytes(31), bytes(32), bytes(33), bytes(64), "", "a" * 128, "a" * 129, "\u20ac" * 43),
    *([], [0], [65_536], ["a"], [""], [0] * 65),
)
"""What stands at a bound or beyond it, and values of other types."""

instances = st.sampled_from(RULES).flatmap(GRAMMAR.instances)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one small change: a bit, a cut, a byte more, a telling byte."""
    place = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            return data[:place] + bytes((data[place] ^ 1 << chance.randrange(8),)) + data[place + 1 :]
        case 1:
            return data[:place]
        case 2:
            return data[:place] + bytes((chance.randrange(256),)) + data[place:]
    place = min(place, chance.randrange(12))
    return data[:place] + bytes((chance.choice(TELLING),)) + data[place + 1 :]


@given(instances)
def test_both_codecs_write_an_instance_alike(value: Any) -> None:
    encoded = codec.encode(value)
    assert encoded == cbor2.dumps(value, canonical=True)
    assert codec.decode(encoded) == value
    assert dcbor.decode(encoded) == value


@given(instances, st.randoms(use_true_random=False))
def test_both_codecs_judge_mutants_alike(value: Any, chance: random.Random) -> None:
    encoded = codec.encode(value)
    for _ in range(20):
        mutant = mutated(encoded, chance)
        assert judged(mutant) == judged_by_suite(mutant)


@given(st.binary(max_size=24))
@settings(max_examples=200)
def test_both_codecs_judge_any_bytes_alike(data: bytes) -> None:
    assert judged(data) == judged_by_suite(data)


def judged(data: bytes) -> object:
    """The value, or the reason; the law of the codec on the way."""
    try:
        value = codec.decode(data)
    except codec.EncodingError as error:
        return error.reason.slug
    assert codec.encode(value) == data
    return ("value", value)


def judged_by_suite(data: bytes) -> object:
    try:
        return ("value", dcbor.decode(data))
    except dcbor.NotDeterministicError as error:
        return error.reason


def decodes(kind: FrameType, value: Any) -> bool:
    try:
        decode_frame(RawFrame(type=kind, body=codec.encode(value), size=0))
    except ProtocolError:
        return False
    return True


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.name)
def test_every_instance_of_a_frame_rule_decodes(kind: FrameType) -> None:
    @given(GRAMMAR.instances(kind.name.lower()))
    @settings(max_examples=25)
    def check(value: Any) -> None:
        assert decodes(kind, value)

    check()


@pytest.mark.parametrize("rule", SHAPES)
def test_shapes_and_rules_accept_the_same(rule: str) -> None:
    """One entry is changed at a time, to what stands at another bound or in another type."""

    @given(GRAMMAR.instances(rule), st.integers(0, 13), st.sampled_from(STRANGE))
    @settings(max_examples=150)
    def check(value: Any, key: int, content: Any) -> None:
        changed = dict(sorted({**value, key: content}.items()))
        if key % 2 == 0 and key not in {field.key for field in SHAPES[rule].fields}:
            return  # CDDL cannot say odd
        try:
            SHAPES[rule].read(changed)
        except ProtocolError:
            assert not GRAMMAR.holds(rule, changed)
        else:
            assert GRAMMAR.holds(rule, changed)

    check()


@pytest.mark.parametrize("rule", ["chat-request", "completion-request", "embedding-request"])
@given(data=st.data())
def test_every_instance_of_a_content_decodes(rule: str, data: st.DataObject) -> None:
    """Or breaks what CDDL cannot say."""
    broken = ""
    try:
        decode_content(codec.encode(data.draw(GRAMMAR.instances(rule))))
    except RemoteProtocolError as error:
        broken = str(error)
    assert not broken or "INF-034" in broken or "neither text nor token ids" in broken
