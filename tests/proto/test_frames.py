"""Every frame and every signed body, driven by the package's own tables: round trips, extension, bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mycellm_proto import codec, economy, frames, limits, records, settlement
from mycellm_proto.answer import Chunk
from mycellm_proto.content import ChatRequest, CompletionRequest, EmbeddingRequest, Sampling
from mycellm_proto.content_codec import (
    CHAT_REQUEST,
    COMPLETION_REQUEST,
    EMBEDDING_REQUEST,
    decode_content,
)
from mycellm_proto.economy import Close, Open, Quote, read_close, read_open, read_quote
from mycellm_proto.errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from mycellm_proto.fields import Shape
from mycellm_proto.frames import LIMITS, FrameType, HelloFrame, Models, UnknownFrame, decode_frame, encode
from mycellm_proto.framing import FrameReader, RawFrame
from mycellm_proto.grease import RESERVED
from mycellm_proto.hello import INITIATOR_HELLO, RESPONDER_HELLO, ConnectionRole, Hello, read_hello
from mycellm_proto.signed import Context, Signed

from .pair import BOB, MALLORY
from .strategies import edges, least, maps, mutated

Reader = Callable[[dict[int, Any]], object]

CONTENTS = (CHAT_REQUEST, COMPLETION_REQUEST, EMBEDDING_REQUEST)
FRAME_SHAPES = {kind: shape for kind, _, _, shape in frames._ROWS}


def frame_reader(kind: FrameType) -> Reader:
    return lambda body: decode_frame(RawFrame(type=kind, body=codec.encode(body), size=0))


def signed(body: dict[int, Any], context: Context) -> Signed:
    return Signed.make(BOB, context, body)


def shape_reader(shape: Shape) -> Reader:
    return lambda body: shape.read(codec.decode(codec.encode(body)))


READERS: dict[str, tuple[Shape, Reader]] = {
    **{shape.name: (shape, frame_reader(kind)) for kind, shape in FRAME_SHAPES.items()},
    **{
        shape.name: (shape, shape_reader(shape))
        for shape in (*CONTENTS, economy.QUOTE, economy.OPEN, economy.CLOSE, RESPONDER_HELLO, INITIATOR_HELLO)
    },
    **{kind.shape.name: (kind.shape, shape_reader(kind.shape)) for kind in (*settlement.ITEMS, *records.ITEMS)},
}
UNSIGNED = [name for name, (shape, _) in READERS.items() if not shape.signed]
SIGNED = [name for name, (shape, _) in READERS.items() if shape.signed]


@pytest.mark.parametrize("kind", FRAME_SHAPES)
@given(data=st.data())
def test_every_frame_survives_the_wire(kind: FrameType, data: st.DataObject) -> None:
    body = codec.encode(data.draw(maps(FRAME_SHAPES[kind])))
    assume(len(body) <= LIMITS[kind])
    frame = decode_frame(RawFrame(type=kind, body=body, size=0))
    (raw,) = FrameReader(LIMITS, limits.MAX_SMALL).feed(encode(frame))
    assert (raw.type, raw.body) == (kind, body)
    assert decode_frame(raw) == frame


@given(st.binary(max_size=500), st.binary(min_size=64, max_size=64))
def test_a_hello_frame_survives_the_wire(body: bytes, signature: bytes) -> None:
    frame = HelloFrame(hello=Signed(body=body, signature=signature))
    (raw,) = FrameReader(LIMITS, limits.MAX_SMALL).feed(encode(frame))
    assert decode_frame(raw) == frame


@pytest.mark.parametrize("shape", [economy.QUOTE, economy.OPEN, economy.CLOSE])
@given(data=st.data())
def test_every_signed_body_survives_the_wire(shape: Shape, data: st.DataObject) -> None:
    body = data.draw(maps(shape))
    if shape is economy.QUOTE:
        body[0] = BOB.public
        quote = read_quote(signed(body, Context.QUOTE), provider=BOB.public)
        assert economy.sign(BOB, quote) == signed(body, Context.QUOTE)
    elif shape is economy.OPEN:
        body[1] = BOB.public
        opened = read_open(signed(body, Context.OPEN), consumer=BOB.public, provider=body[2])
        assert economy.sign(BOB, opened) == signed(body, Context.OPEN)
    else:
        close = read_close(signed(body, Context.CLOSE), provider=BOB.public)
        assert economy.sign(BOB, close) == signed(body, Context.CLOSE)


@pytest.mark.parametrize("name", UNSIGNED)
@given(key=st.integers(31, 1 << 62), value=st.sampled_from([None, 0, "x", [], {}, [[{0: b""}]]]))
def test_an_unknown_key_is_ignored_where_it_is_odd(name: str, key: int, value: codec.Value) -> None:
    shape, read = READERS[name]
    body = least(shape)
    known = read(body)
    if key % 2:
        assert read({**body, key: value}) == known
    else:
        with pytest.raises(RemoteProtocolError) as refused:
            read({**body, key: value})
        assert refused.value.requirement == "EXT-001"


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("key", [21, 22, *RESERVED[:2], (1 << 64) - 1])
def test_an_unknown_key_is_fatal_in_a_signed_body(name: str, key: int) -> None:
    shape, read = READERS[name]
    read(least(shape))
    with pytest.raises(RemoteProtocolError) as refused:
        read({**least(shape), key: True})
    assert refused.value.requirement == "EXT-003"


@pytest.mark.parametrize("name", READERS)
def test_every_needed_key_is_needed(name: str) -> None:
    shape, read = READERS[name]
    for field in shape.fields:
        body = {key: value for key, value in least(shape).items() if key != field.key}
        if field.optional:
            read(body)
        else:
            with pytest.raises(RemoteProtocolError):
                read(body)


@pytest.mark.parametrize(
    ("name", "field"), [(name, field.name) for name, (shape, _) in READERS.items() for field in shape.fields]
)
def test_every_field_holds_its_extremes_and_nothing_beyond(name: str, field: str) -> None:
    shape, read = READERS[name]
    (row,) = [each for each in shape.fields if each.name == field]
    good, bad = edges(row.kind)
    for value in good:
        read({**least(shape), row.key: value})
    for value in bad:
        if value == 1 << 64:  # has no encoding to begin with
            continue
        with pytest.raises(ProtocolError):
            read({**least(shape), row.key: value})


@pytest.mark.parametrize("name", UNSIGNED)
@pytest.mark.parametrize("value", [None, [], 0, "x", b"", True])
def test_a_body_is_a_map(name: str, value: codec.Value) -> None:
    _, read = READERS[name]
    with pytest.raises(RemoteProtocolError):
        read(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FrameType)
@given(data=st.data())
def test_any_bytes_are_a_frame_or_a_refusal(kind: FrameType, data: st.DataObject) -> None:
    shape = FRAME_SHAPES.get(kind)
    honest = codec.encode(data.draw(maps(shape))) if shape else b""
    body = data.draw(mutated(honest) | st.binary(max_size=100))
    try:
        frame = decode_frame(RawFrame(type=kind, body=body, size=0))
    except ProtocolError:
        return
    assert type(frame) is not UnknownFrame


@given(maps(CHAT_REQUEST).map(codec.encode).flatmap(mutated) | st.binary(max_size=100))
def test_any_content_is_a_request_or_a_refusal(content: bytes) -> None:
    code = None
    try:
        decode_content(content)
    except RemoteProtocolError as error:
        code = error.code
    assert code in (None, ErrorCode.MALFORMED, ErrorCode.UNSUPPORTED)


@pytest.mark.parametrize("operation", [[], {}, None, True, "chat", b"", [1]])
def test_an_operation_of_another_type_is_malformed(operation: codec.Value) -> None:
    """A list is not hashable: looking it up in a set once raised TypeError."""
    with pytest.raises(RemoteProtocolError) as refused:
        decode_content(codec.encode({**least(CHAT_REQUEST), 0: operation}))
    assert refused.value.code is ErrorCode.MALFORMED


@pytest.mark.parametrize("operation", [0, 4, -1, 1 << 63])
def test_an_unknown_operation_is_unsupported(operation: int) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode_content(codec.encode({**least(CHAT_REQUEST), 0: operation}))
    assert refused.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize("kind", [1, 7, 30, 65, 1 << 40])
def test_an_unknown_type_keeps_its_bytes(kind: int) -> None:
    frame = decode_frame(RawFrame(type=kind, body=b"\xff", size=0))
    assert frame == UnknownFrame(type=kind, body=b"\xff")


@pytest.mark.parametrize(
    "frame",
    [
        Chunk(text="x" * limits.MAX_CHUNK, tokens=1),
        UnknownFrame(type=65, body=bytes(limits.MAX_SMALL + 1)),
        HelloFrame(hello=Signed(body=bytes(limits.MAX_HELLO), signature=bytes(64))),
        Models(quotes=(Signed(body=bytes(limits.MAX_MODELS), signature=bytes(64)),)),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_frame_that_every_receiver_refuses_is_not_sent(frame: frames.Frame) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        encode(frame)
    assert refused.value.code is ErrorCode.FRAME_TOO_LARGE


def test_every_parameter_crosses() -> None:
    """Seen in the field: nothing is dropped on the hop between two nodes."""
    drawn = {field.name for field in fields(Sampling)}
    for shape, made in (
        (CHAT_REQUEST, ChatRequest),
        (COMPLETION_REQUEST, CompletionRequest),
        (EMBEDDING_REQUEST, EmbeddingRequest),
    ):
        attributes = {field.name for field in fields(made)}
        if "sampling" in attributes:
            attributes = attributes - {"sampling"} | drawn
        assert {field.name for field in shape.fields} == attributes | {"operation"}


def test_a_signature_is_of_one_key_one_context_and_these_bytes() -> None:
    made = Signed.make(BOB, Context.OPEN, {0: 1})
    made.verify(BOB.public, Context.OPEN, code=ErrorCode.BAD_OPEN, requirement="X")
    forged = [
        (made, MALLORY.public, Context.OPEN),
        *((made, BOB.public, context) for context in Context if context is not Context.OPEN),
        (replace(made, body=made.body + b"\0"), BOB.public, Context.OPEN),
        (replace(made, signature=bytes(64)), BOB.public, Context.OPEN),
        *(
            (
                replace(made, signature=bytes(b ^ (i == at) for i, b in enumerate(made.signature))),
                BOB.public,
                Context.OPEN,
            )
            for at in range(64)
        ),
    ]
    for other, public, context in forged:
        with pytest.raises(RemoteProtocolError):
            other.verify(public, context, code=ErrorCode.BAD_OPEN, requirement="X")


def test_no_two_contexts_give_one_preimage() -> None:
    digests = {Signed(body=b"\xa0", signature=bytes(64)).digest(context) for context in Context}
    assert len(digests) == len(Context)


@pytest.mark.parametrize("body", [Quote, Open, Close])
def test_a_rule_names_every_attribute(body: type) -> None:
    shape, _ = economy._RULES[body]
    assert {field.name for field in shape.fields} == {field.name for field in fields(body)}
    assert [field.key for field in shape.fields] == list(range(len(shape.fields)))


@pytest.mark.parametrize("sender", list(ConnectionRole))
def test_a_hello_reads_back(sender: ConnectionRole) -> None:
    extra: dict[str, Any] = {"peer_key": bytes(32), "peer_hello": bytes(32), "pinned": True}
    hello = Hello(
        role=sender, node_key=BOB.public, binding=bytes(32), capabilities=(1, 65), **(extra if sender == 0 else {})
    )
    assert read_hello(hello.sign(BOB), sender=sender, binding=bytes(32)) == hello
