"""Family ``frames``: the body of every frame, and what no body may be."""

from __future__ import annotations

from mycellm_proto.answer import Candidate, Chunk, Logprob, Part
from mycellm_proto.calls import Procedure
from mycellm_proto.codec import Value, decode, encode
from mycellm_proto.errors import ErrorCode
from mycellm_proto.frames import (
    TYPES,
    Accept,
    Call,
    Cancel,
    Countersign,
    Credit,
    End,
    Error,
    Frame,
    FrameType,
    Models,
    Request,
    Result,
    Tick,
    decode_frame,
)
from mycellm_proto.frames import encode as encode_whole
from mycellm_proto.framing import RawFrame
from mycellm_proto.limits import MAX_AMOUNT, MAX_DEADLINE_MS, MAX_LOGPROB, MAX_QUOTES, MAX_TICKS, MAX_TOKENS

from . import constants as c
from .family import ANY, HEX, DisagreementError, Family, Json, accept, case, outcome, reject
from .notation import noted

_LOGPROB = Logprob(token=Candidate(text=b"Hi", below=510_826), top=(Candidate(text=b"\xf0\x9f", below=MAX_LOGPROB),))
_LINK = c.CHAIN.link(3)
_SIGNATURE = bytes(64)
_SIGNED: Value = [b"\xa0", _SIGNATURE]

_FRAMES: tuple[tuple[str, Frame], ...] = (
    ("accept-models", Models(quotes=(c.SIGNED_QUOTE,))),
    ("accept-models-empty", Models(quotes=())),
    ("accept-models-64", Models(quotes=(c.SIGNED_QUOTE,) * MAX_QUOTES)),
    ("accept-error", Error(code=ErrorCode.NOT_ALLOWED)),
    (
        "accept-error-with-numbers",
        Error(code=ErrorCode.BUSY, retry_after_ms=MAX_DEADLINE_MS, limit=0, actual=MAX_AMOUNT),
    ),
    ("accept-error-of-unknown-code", Error(code=65_535)),
    (
        "accept-request",
        Request(content=c.CONTENT, salt=c.SALT, open=c.SIGNED_OPEN, prepaid=c.CHAIN.link(c.QUOTE.prepaid_ticks)),
    ),
    ("accept-accept", Accept(input_tokens=10)),
    ("accept-accept-most", Accept(input_tokens=MAX_TOKENS)),
    ("accept-chunk", Chunk(text="Hello", tokens=1)),
    ("accept-chunk-heartbeat", Chunk(text="", tokens=0)),
    ("accept-chunk-text-without-tokens", Chunk(text="\U0001f344", tokens=0)),
    ("accept-chunk-reasoning", Chunk(text="hm", tokens=1, part=Part.REASONING)),
    ("accept-chunk-call", Chunk(text="multiply", tokens=3, part=Part.CALL)),
    ("accept-chunk-arguments", Chunk(text='{"a": 6}', tokens=5, part=Part.ARGUMENTS)),
    ("accept-chunk-logprobs", Chunk(text="Hi", tokens=1, logprobs=(_LOGPROB,))),
    ("accept-chunk-vector", Chunk(text="", tokens=0, part=Part.VECTOR, vector=bytes.fromhex("0000803f000000c0"))),
    ("accept-chunk-values", Chunk(text="", tokens=0, part=Part.VALUES, vector=b"\0")),
    ("accept-tick", Tick(k=3, link=_LINK)),
    ("accept-tick-most", Tick(k=MAX_TICKS, link=_LINK)),
    ("accept-credit", Credit(limit=MAX_AMOUNT)),
    ("accept-cancel", Cancel(chunks=2, k=3, link=_LINK)),
    ("accept-end", End(salt=c.ANSWER_SALT, close=c.SIGNED_CLOSE)),
    ("accept-countersign", Countersign(signature=_SIGNATURE)),
    ("accept-call", Call(procedure=Procedure.BALANCE, arguments=encode({0: c.QUOTE.network}))),
    ("accept-call-of-unknown-procedure", Call(procedure=65_535, arguments=b"")),
    ("accept-result", Result(result=encode({0: 1_000_000, 1: 26}))),
)

_TICK: dict[int, Value] = {0: 3, 1: _LINK}

# An unknown odd key is ignored, whatever it holds: the twin of each is the frame without it.
_EXTENDED: tuple[tuple[str, FrameType, dict[int, Value], dict[int, Value]], ...] = (
    ("accept-unknown-odd-key", FrameType.TICK, _TICK, {3: None}),
    ("accept-reserved-key", FrameType.ACCEPT, {0: 10}, {65: True}),
    ("accept-last-reserved-key", FrameType.ACCEPT, {0: 10}, {15_875: [{0: b""}]}),
    ("accept-greatest-odd-key", FrameType.CHUNK, {0: "a", 1: 1}, {(1 << 64) - 1: 0}),
    ("accept-unknown-odd-key-in-models", FrameType.MODELS, {0: []}, {1: {2: 3}}),
)

_SHAPE, _EVEN = "FRM-008~1", "EXT-001~1"
_REJECTED: tuple[tuple[str, str, FrameType, Value], ...] = (
    ("reject-unknown-even-key", _EVEN, FrameType.TICK, {**_TICK, 2: None}),
    ("reject-unknown-even-key-64", _EVEN, FrameType.ACCEPT, {0: 10, 64: True}),
    ("reject-greatest-even-key", _EVEN, FrameType.CHUNK, {0: "a", 1: 1, (1 << 64) - 2: 0}),
    ("reject-body-array", _SHAPE, FrameType.TICK, [3, _LINK]),
    ("reject-body-number", _SHAPE, FrameType.ACCEPT, 10),
    ("reject-body-null", _SHAPE, FrameType.ACCEPT, None),
    ("reject-hello-map", "SIG-001~1", FrameType.HELLO, {}),
    ("reject-hello-of-one-element", "SIG-001~1", FrameType.HELLO, [b"\xa0"]),
    ("reject-hello-of-three-elements", "SIG-001~1", FrameType.HELLO, [b"\xa0", _SIGNATURE, None]),
    ("reject-hello-body-not-bytes", "SIG-001~1", FrameType.HELLO, [{}, _SIGNATURE]),
    ("reject-hello-signature-63", "SIG-001~1", FrameType.HELLO, [b"\xa0", bytes(63)]),
    ("reject-hello-signature-65", "SIG-001~1", FrameType.HELLO, [b"\xa0", bytes(65)]),
    ("reject-models-without-quotes", _SHAPE, FrameType.MODELS, {}),
    ("reject-models-65", _SHAPE, FrameType.MODELS, {0: [_SIGNED] * 65}),
    ("reject-models-quote-not-signed", "SIG-001~1", FrameType.MODELS, {0: [{}]}),
    ("reject-models-null", _SHAPE, FrameType.MODELS, {0: None}),
    ("reject-error-without-code", _SHAPE, FrameType.ERROR, {1: 5}),
    ("reject-error-code-65536", _SHAPE, FrameType.ERROR, {0: 65_536}),
    ("reject-error-code-negative", _SHAPE, FrameType.ERROR, {0: -1}),
    ("reject-error-retry-above-an-hour", _SHAPE, FrameType.ERROR, {0: 55, 1: MAX_DEADLINE_MS + 1}),
    ("reject-error-limit-null", _SHAPE, FrameType.ERROR, {0: 55, 2: None}),
    ("reject-error-text", _SHAPE, FrameType.ERROR, {0: "busy"}),
    ("reject-request-without-prepaid", _SHAPE, FrameType.REQUEST, {0: c.CONTENT, 1: c.SALT, 2: _SIGNED}),
    ("reject-request-salt-31", _SHAPE, FrameType.REQUEST, {0: c.CONTENT, 1: bytes(31), 2: _SIGNED, 3: _LINK}),
    ("reject-request-content-map", _SHAPE, FrameType.REQUEST, {0: {}, 1: c.SALT, 2: _SIGNED, 3: _LINK}),
    ("reject-request-open-not-signed", "SIG-001~1", FrameType.REQUEST, {0: c.CONTENT, 1: c.SALT, 2: b"", 3: _LINK}),
    ("reject-accept-true", _SHAPE, FrameType.ACCEPT, {0: True}),
    ("reject-accept-negative", _SHAPE, FrameType.ACCEPT, {0: -1}),
    ("reject-accept-beyond-most", _SHAPE, FrameType.ACCEPT, {0: MAX_TOKENS + 1}),
    ("reject-chunk-without-tokens", _SHAPE, FrameType.CHUNK, {0: "a"}),
    ("reject-chunk-bytes", _SHAPE, FrameType.CHUNK, {0: b"a", 1: 1}),
    ("reject-chunk-part-0", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 2: 0}),
    ("reject-chunk-part-6", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 2: 6}),
    ("reject-chunk-no-logprobs", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: []}),
    ("reject-chunk-logprob-without-alternatives", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: [[b"a", 0]]}),
    ("reject-chunk-logprob-of-text", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: [["a", 0, []]]}),
    ("reject-chunk-logprob-below-most", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: [[b"a", MAX_LOGPROB + 1, []]]}),
    ("reject-chunk-21-alternatives", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: [[b"a", 0, [[b"a", 0]] * 21]]}),
    ("reject-chunk-token-of-513-bytes", _SHAPE, FrameType.CHUNK, {0: "a", 1: 1, 4: [[b"a" * 513, 0, []]]}),
    ("reject-chunk-vector-empty", _SHAPE, FrameType.CHUNK, {0: "", 1: 0, 2: 4, 6: b""}),
    ("reject-chunk-vector-array", _SHAPE, FrameType.CHUNK, {0: "", 1: 0, 2: 4, 6: [0]}),
    ("reject-tick-beyond-most", _SHAPE, FrameType.TICK, {0: MAX_TICKS + 1, 1: _LINK}),
    ("reject-tick-link-31", _SHAPE, FrameType.TICK, {0: 3, 1: bytes(31)}),
    ("reject-tick-link-33", _SHAPE, FrameType.TICK, {0: 3, 1: bytes(33)}),
    ("reject-tick-link-text", _SHAPE, FrameType.TICK, {0: 3, 1: "a" * 32}),
    ("reject-credit-beyond-most", _SHAPE, FrameType.CREDIT, {0: MAX_AMOUNT + 1}),
    ("reject-cancel-without-link", _SHAPE, FrameType.CANCEL, {0: 2, 1: 3}),
    ("reject-end-close-of-one-element", "SIG-001~1", FrameType.END, {0: c.SALT, 1: [b"\xa0"]}),
    ("reject-countersign-63", _SHAPE, FrameType.COUNTERSIGN, {0: bytes(63)}),
    ("reject-call-without-arguments", _SHAPE, FrameType.CALL, {0: 7}),
    ("reject-call-procedure-65536", _SHAPE, FrameType.CALL, {0: 65_536, 1: b""}),
    ("reject-call-procedure-text", _SHAPE, FrameType.CALL, {0: "balance", 1: b""}),
    ("reject-call-arguments-map", _SHAPE, FrameType.CALL, {0: 7, 1: {}}),
    ("reject-call-unknown-even-key", _EVEN, FrameType.CALL, {0: 7, 1: b"", 2: None}),
    ("reject-result-null", _SHAPE, FrameType.RESULT, {0: None}),
)


def _raw(kind: int, body: bytes) -> RawFrame:
    return RawFrame(type=kind, body=body, size=len(body))


def _cases() -> list[dict[str, Json]]:
    made = [_accepted(slug, frame) for slug, frame in _FRAMES]
    for slug, kind, known, unknown in _EXTENDED:
        body = encode({**known, **unknown})
        if decode_frame(_raw(kind, body)) != decode_frame(_raw(kind, encode(known))):
            raise DisagreementError(slug)
        expect = accept(fields=noted(known))
        made.append(case(slug, "EXT-006~1", type=kind.name, hex=body.hex(), expect=expect))
    for slug, requirement, kind, value in _REJECTED:
        made.append(_refused(slug, requirement, kind, encode(value)))
    made.append(_refused("reject-body-not-deterministic", "ENC-012~1", FrameType.ACCEPT, bytes.fromhex("a1001805")))
    made.append(_refused("reject-body-with-trailing-bytes", "ENC-011~1", FrameType.ACCEPT, bytes.fromhex("a1000500")))
    made.append(_refused("reject-body-empty", "ENC-010~1", FrameType.ACCEPT, b""))
    return made


def _accepted(slug: str, frame: Frame) -> dict[str, Json]:
    kind = TYPES[type(frame)]
    whole = encode_whole(frame)
    body = whole[-_body_size(whole) :]
    if decode_frame(_raw(kind, body)) != frame:
        raise DisagreementError(slug)
    return case(slug, _SHAPE, type=kind.name, hex=body.hex(), expect=accept(fields=noted(decode(body))))


def _body_size(whole: bytes) -> int:
    size = 1 << (whole[0] >> 6)
    return int.from_bytes(whole[:size], "big") & ((1 << (8 * size - 2)) - 1)


def _refused(slug: str, requirement: str, kind: FrameType, body: bytes) -> dict[str, Json]:
    expect = reject(lambda: decode_frame(_raw(kind, body)), ErrorCode.ENCODING, requirement)
    return case(slug, requirement, type=kind.name, hex=body.hex(), expect=expect)


FAMILY = Family(
    name="frames",
    description="Bodies of registered frames: the keys of each, their bounds, and unknown keys.",
    notes=(
        "Accepted: hex is a body that a frame of type may have; fields is what is in it without the keys that are"
        " ignored, in the notation of README.md.",
        "Rejected: a reader fails with the code, which closes the connection. Where the frame is the first of a request"
        " stream, the request is refused with MALFORMED instead.",
    ),
    verification=(
        "Decode hex as the body of a frame of type. fields has the keys of the type alone, ascending.",
        "Signatures are not verified here, and signed bodies not looked into.",
        "The cases that cite EXT-006 hold a key that is ignored with its value; the same key, even, is fatal.",
    ),
    schema={"type": {"enum": [kind.name for kind in FrameType]}, "hex": HEX, "expect": outcome(fields=ANY)},
    cases=_cases,
)
