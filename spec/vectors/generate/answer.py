"""Family ``answer``: CHUNK frames, as the consumer sees them that takes them as one answer or gives up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mycellm_proto.answer import Candidate, Chunk, Logprob, Part, Reading, join
from mycellm_proto.codec import encode
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Message,
    Role,
    Tool,
    ToolMode,
)
from mycellm_proto.content_codec import encode_content
from mycellm_proto.economy import response_commitment
from mycellm_proto.errors import ErrorCode
from mycellm_proto.frames import encode as encode_frame
from mycellm_proto.framing import FrameReader
from mycellm_proto.limits import MAX_DIMENSIONS, MAX_TOOL_CALLS

from .constants import ANSWER_SALT
from .family import HEX, NUMBER, Family, Json, accept, case, outcome, reject

_CHAT = ChatRequest(
    model="m",
    messages=(Message(role=Role.USER, content="?"),),
    max_tokens=64,
    deadline_ms=1000,
    top_logprobs=1,
    tools=(Tool(name="f"), Tool(name="g")),
)
_COMPLETION = CompletionRequest(model="m", prompt="Once", max_tokens=64, deadline_ms=1000)
_EMBEDDING = EmbeddingRequest(model="m", inputs=("a", "b"), deadline_ms=1000)
_ONE = Logprob(token=Candidate(text=b"x", below=5), top=(Candidate(text=b"x", below=5),))


def _text(said: str = "x", part: Part = Part.ANSWER) -> Chunk:
    return Chunk(text=said, tokens=1, part=part)


def _numbers(count: int = 2, part: Part = Part.VECTOR) -> Chunk:
    return Chunk(text="", tokens=0, part=part, vector=bytes(4 * count))


_CALL, _ARGUMENTS, _THOUGHT = _text("f", Part.CALL), _text("{}", Part.ARGUMENTS), _text("hm", Part.REASONING)
_OTHER = _text("g", Part.CALL)
_HEARTBEAT, _COUNTED = Chunk(text="", tokens=0), Chunk(text="", tokens=1)
_LONGEST = [_numbers(4000), *[_numbers(4000, Part.VALUES)] * 3, _numbers(MAX_DIMENSIONS - 16_000, Part.VALUES)]

_STOP, _TOOLS, _LENGTH = FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.LENGTH
_GOOD: tuple[tuple[str, str, Content, list[Chunk], FinishReason], ...] = (
    ("accept-text", "RCP-007~1", _CHAT, [_text("Hel"), _text("lo")], _STOP),
    ("accept-nothing", "RCP-007~1", _CHAT, [], _LENGTH),
    ("accept-completion", "INF-035~1", _COMPLETION, [_text(), _HEARTBEAT, _COUNTED, _text()], _STOP),
    ("accept-reasoning", "INF-035~1", _CHAT, [_THOUGHT, _text(), _THOUGHT], _STOP),
    ("accept-call", "INF-036~1", _CHAT, [_text(), _CALL, _HEARTBEAT, _ARGUMENTS, _COUNTED, _ARGUMENTS], _TOOLS),
    ("accept-calls", "INF-037~1", _CHAT, [_CALL, _CALL, _OTHER, _ARGUMENTS], _TOOLS),
    ("accept-text-after-a-call", "INF-036~1", _CHAT, [_CALL, _ARGUMENTS, _text(), _THOUGHT], _STOP),
    ("accept-the-call-that-was-chosen", "INF-037~1", replace(_CHAT, tool_choice="g"), [_OTHER], _TOOLS),
    ("accept-one-call-of-one", "INF-037~1", replace(_CHAT, parallel_tool_calls=False), [_CALL, _ARGUMENTS], _TOOLS),
    ("accept-most-calls", "INF-037~1", _CHAT, [_CALL] * MAX_TOOL_CALLS, _TOOLS),
    ("accept-logprobs", "INF-038~1", _CHAT, [replace(_text(), logprobs=(_ONE,))], _STOP),
    ("accept-logprobs-later", "INF-038~1", _CHAT, [_COUNTED, replace(_text(), logprobs=(_ONE, _ONE))], _STOP),
    ("accept-vectors", "INF-039~1", _EMBEDDING, [_HEARTBEAT, _numbers(), _HEARTBEAT, _numbers()], _STOP),
    ("accept-vector-in-pieces", "INF-039~1", _EMBEDDING, [_numbers(4), _numbers(), _numbers(2, Part.VALUES)], _STOP),
    ("accept-vectors-cut-short", "INF-040~1", _EMBEDDING, [_numbers()], FinishReason.DEADLINE),
    ("accept-dimensions", "INF-040~1", replace(_EMBEDDING, dimensions=2), [_numbers(), _numbers()], _STOP),
)
_BAD: tuple[tuple[str, str, Content, list[Chunk], FinishReason], ...] = (
    ("reject-reasoning-of-a-completion", "INF-035~1", _COMPLETION, [_THOUGHT], _STOP),
    ("reject-call-of-a-completion", "INF-035~1", _COMPLETION, [_CALL], _TOOLS),
    ("reject-vector-of-a-chat", "INF-035~1", _CHAT, [_numbers()], _STOP),
    ("reject-vector-beside-text", "INF-035~1", _CHAT, [replace(_text(), vector=bytes(4))], _STOP),
    ("reject-values-of-a-completion", "INF-035~1", _COMPLETION, [_text(), replace(_COUNTED, part=Part.VALUES)], _STOP),
    ("reject-arguments-of-no-call", "INF-036~1", _CHAT, [_ARGUMENTS], _STOP),
    ("reject-arguments-after-text", "INF-036~1", _CHAT, [_CALL, _text(), _ARGUMENTS], _TOOLS),
    ("reject-arguments-after-reasoning", "INF-036~1", _CHAT, [_CALL, _THOUGHT, _ARGUMENTS], _TOOLS),
    ("reject-call-of-no-tool", "INF-037~1", _CHAT, [_text("h", Part.CALL)], _TOOLS),
    ("reject-call-without-a-name", "INF-037~1", _CHAT, [_text("", Part.CALL)], _TOOLS),
    ("reject-call-where-no-tools-are", "INF-037~1", replace(_CHAT, tools=()), [_CALL], _TOOLS),
    ("reject-call-where-none-may-be", "INF-037~1", replace(_CHAT, tool_choice=ToolMode.NONE), [_CALL], _TOOLS),
    ("reject-call-of-another-than-chosen", "INF-037~1", replace(_CHAT, tool_choice="g"), [_CALL], _TOOLS),
    ("reject-two-calls-of-one", "INF-037~1", replace(_CHAT, parallel_tool_calls=False), [_CALL, _OTHER], _TOOLS),
    ("reject-one-call-beyond-most", "INF-037~1", _CHAT, [_CALL] * (MAX_TOOL_CALLS + 1), _TOOLS),
    (
        "reject-logprobs-unasked",
        "INF-038~1",
        replace(_CHAT, top_logprobs=None),
        [replace(_text(), logprobs=(_ONE,))],
        _STOP,
    ),
    (
        "reject-alternatives-beyond-most",
        "INF-038~1",
        replace(_CHAT, top_logprobs=0),
        [replace(_text(), logprobs=(_ONE,))],
        _STOP,
    ),
    ("reject-more-logprobs-than-tokens", "INF-038~1", _CHAT, [replace(_text(), logprobs=(_ONE, _ONE))], _STOP),
    ("reject-text-of-an-embedding", "INF-039~1", _EMBEDDING, [Chunk(text="x", tokens=0)], FinishReason.FAILED),
    (
        "reject-vector-without-numbers",
        "INF-039~1",
        _EMBEDDING,
        [replace(_HEARTBEAT, part=Part.VECTOR)],
        FinishReason.FAILED,
    ),
    ("reject-numbers-of-the-answer", "INF-039~1", _EMBEDDING, [_numbers(2, Part.ANSWER)], FinishReason.FAILED),
    ("reject-values-of-no-vector", "INF-039~1", _EMBEDDING, [_numbers(2, Part.VALUES)], FinishReason.FAILED),
    ("reject-more-vectors-than-inputs", "INF-039~1", _EMBEDDING, [_numbers()] * 3, FinishReason.FAILED),
    (
        "reject-more-numbers-than-asked",
        "INF-039~1",
        replace(_EMBEDDING, dimensions=3),
        [_numbers(4)],
        FinishReason.FAILED,
    ),
    ("reject-vector-beyond-most", "INF-039~1", _EMBEDDING, [*_LONGEST, _numbers(1, Part.VALUES)], FinishReason.FAILED),
    ("reject-calls-that-are-not-there", "INF-040~1", _CHAT, [_text()], _TOOLS),
    ("reject-vector-missing", "INF-040~1", _EMBEDDING, [_numbers()], _STOP),
    ("reject-vectors-of-two-lengths", "INF-040~1", _EMBEDDING, [_numbers(), _numbers(3)], _STOP),
    ("reject-part-of-a-number", "INF-040~1", _EMBEDDING, [replace(_numbers(), vector=bytes(3))] * 2, _STOP),
    ("reject-fewer-numbers-than-asked", "INF-040~1", replace(_EMBEDDING, dimensions=3), [_numbers()] * 2, _STOP),
)


def _take(request: Content, chunks: list[Chunk], finish: FinishReason) -> None:
    reading = Reading(request)
    for chunk in chunks:
        reading.take(chunk)
    reading.end(finish)


def _shown(request: Content, chunks: list[Chunk], finish: FinishReason, expect: Json) -> dict[str, Json]:
    bodies = [raw.body.hex() for chunk in chunks for raw in FrameReader({}, 1 << 20).feed(encode_frame(chunk))]
    return {
        "content": encode_content(request).hex(),
        "chunks": bodies,
        "finish": int(finish),
        "salt": ANSWER_SALT.hex(),
        "expect": expect,
    }


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, request, chunks, finish in _GOOD:
        _take(request, chunks, finish)
        answer, tokens = join(chunks), sum(chunk.tokens for chunk in chunks)
        response = response_commitment(ANSWER_SALT, answer, finish, tokens)
        expect = accept(answer=encode(answer.to_value(finish, tokens)).hex(), response=response.hex())
        cited = dict.fromkeys((requirement, "RCP-007~1"))
        made.append(case(slug, list(cited), **_shown(request, chunks, finish, expect)))
    for slug, requirement, request, chunks, finish in _BAD:
        refused = reject(partial(_take, request, chunks, finish), ErrorCode.BAD_ANSWER, requirement)
        made.append(case(slug, requirement, **_shown(request, chunks, finish, refused)))
    return made


FAMILY = Family(
    name="answer",
    description="The CHUNK frames of an answer, as the consumer sees them that asked for content.",
    notes=(
        "chunks are the bodies of the CHUNK frames, in their order; finish is the number of the reason in a close that"
        " is right otherwise, and salt that of END.",
        "Accepted: answer is the encoding of what the commitment is over, response the commitment. Rejected: the"
        " consumer gives up with the code, at a CHUNK or at END.",
    ),
    verification=(
        "Take each CHUNK as it comes, then END.",
        "Credit, payment and max_tokens do not count here.",
        "Compute response from answer and salt.",
    ),
    schema={
        "content": HEX,
        "chunks": {"type": "array", "items": HEX},
        "finish": NUMBER,
        "salt": HEX,
        "expect": outcome(answer=HEX, response=HEX),
    },
    cases=_cases,
)
