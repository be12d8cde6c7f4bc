"""Family ``content``: what a REQUEST asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mycellm_proto.codec import Value, encode
from mycellm_proto.content import (
    MILLION,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.content_codec import decode_content, encode_content
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_DEADLINE_MS, MAX_TOKEN_ID, MAX_TOKENS

from .constants import CONTENT, REQUEST
from .contents import SCHEMA, shown
from .family import (
    HEX_PARTS,
    DisagreementError,
    Family,
    Json,
    accept,
    case,
    outcome,
    reject,
)
from .notation import as_map, joined, parts

_LEAST = Sampling(
    temperature=0, top_p=1, top_k=0, min_p=0, presence_penalty=-2 * MILLION, frequency_penalty=-2 * MILLION, seed=0,
    repetition_penalty=1, logit_bias=((0, -100 * MILLION),),
)  # fmt: skip
_MOST = Sampling(
    temperature=2 * MILLION,
    top_p=MILLION,
    top_k=MAX_TOKENS,
    min_p=MILLION,
    presence_penalty=2 * MILLION,
    frequency_penalty=2 * MILLION,
    seed=(1 << 53) - 1,
    repetition_penalty=10 * MILLION,
    logit_bias=((0, 0), (17, -MILLION // 2), (MAX_TOKEN_ID, 100 * MILLION)),
)
_TURNS = (
    Message(role=Role.SYSTEM, content="Answer in one word."),
    Message(role=Role.USER, content="The capital of France?"),
    Message(role=Role.ASSISTANT, content="Paris"),
    Message(role=Role.USER, content="\u00c6r\u00f8sk\u00f8bing, \u6771\u4eac \U0001f344\n\t\x00"),
)

_USED = (
    Message(role=Role.USER, content="What is 6 times 7?", name="Alice"),
    Message(
        role=Role.ASSISTANT,
        content="",
        calls=(
            ToolCall(id="call_1", name="multiply", arguments='{"a": 6, "b": 7}'),
            ToolCall(id="call_2", name="clock", arguments=""),
        ),
        reasoning="I had better ask.",
    ),
    Message(role=Role.TOOL, content="42", call_id="call_1"),
    Message(role=Role.TOOL, content="noon", call_id="call_2", name="clock"),
)
_TOOLS = (Tool(name="multiply", parameters='{"type": "object"}'), Tool(name="clock"))
_LONG = "\u00e9" * 300
_SCHEMA = '{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]}'
_COMPLETION = CompletionRequest(model=REQUEST.model, prompt="Once upon a time", max_tokens=64, deadline_ms=60_000)
_EMBEDDING = EmbeddingRequest(model=REQUEST.model, inputs=("red", "green"), deadline_ms=60_000)

_REQUESTS: tuple[tuple[str, str, Content], ...] = (
    ("accept-plain", "INF-004~2", REQUEST),
    ("accept-nothing-optional", "INF-004~2", replace(REQUEST, sampling=Sampling())),
    ("accept-conversation", "INF-004~2", replace(REQUEST, messages=_TURNS)),
    ("accept-empty-message", "INF-004~2", replace(REQUEST, messages=(Message(role=Role.USER, content=""),))),
    ("accept-1024-messages", "INF-004~2", replace(REQUEST, messages=(Message(role=Role.USER, content="a"),) * 1024)),
    (
        "accept-everything-least",
        "INF-004~2",
        replace(
            REQUEST,
            max_tokens=1,
            deadline_ms=1,
            stop=("\n",),
            sampling=_LEAST,
            top_logprobs=0,
            tools=(Tool(name="f"),),
            tool_choice=ToolMode.NONE,
            parallel_tool_calls=False,
            response_format=ResponseFormat(),
            reasoning_effort=ReasoningEffort.NONE,
        ),
    ),
    (
        "accept-everything-most",
        "INF-004~2",
        replace(
            REQUEST,
            model="m" * 128,
            max_tokens=MAX_TOKENS,
            deadline_ms=MAX_DEADLINE_MS,
            stop=("a" * 256, "b", "\u20ac" * 85, "d"),
            sampling=_MOST,
            top_logprobs=20,
            tools=(Tool(name="\u20ac" * 42, description=_LONG, parameters=_SCHEMA, strict=True), Tool(name="AUTO")),
            tool_choice="AUTO",
            parallel_tool_calls=True,
            response_format=ResponseFormat(schema=_SCHEMA, name="n" * 128, description=_LONG, strict=False),
            reasoning_effort=ReasoningEffort.EXTRA_HIGH,
        ),
    ),
    ("accept-tools-used", "INF-004~2 INF-034~1", replace(REQUEST, messages=_USED)),
    ("accept-one-call-id-in-two-messages", "INF-034~1", replace(REQUEST, messages=_USED[:3] + _USED[1:3])),
    ("accept-tool-choice-required", "INF-034~1", replace(REQUEST, tools=_TOOLS, tool_choice=ToolMode.REQUIRED)),
    ("accept-tool-choice-auto-without-tools", "INF-034~1", replace(REQUEST, tool_choice=ToolMode.AUTO)),
    ("accept-schema-that-is-no-json", "INF-004~2", replace(REQUEST, response_format=ResponseFormat(schema="{"))),
    ("accept-completion", "INF-004~2", _COMPLETION),
    ("accept-completion-of-nothing", "INF-004~2", replace(_COMPLETION, prompt="")),
    (
        "accept-completion-of-tokens",
        "INF-004~2",
        replace(_COMPLETION, prompt=(0, 258, MAX_TOKEN_ID), sampling=_MOST, stop=("x",), top_logprobs=5),
    ),
    ("accept-embedding", "INF-004~2", _EMBEDDING),
    (
        "accept-embedding-of-texts-and-tokens",
        "INF-004~2",
        replace(_EMBEDDING, inputs=("", (7,), "\u6771\u4eac"), dimensions=16_384),
    ),
)

_VALUE = as_map(CONTENT)
_USER: dict[int, Value] = {0: 2, 1: "a"}
_CALL: dict[int, Value] = {0: "1", 1: "f", 2: "{}"}
_CALLED: dict[int, Value] = {0: 3, 1: "", 2: [_CALL]}
_RESULT: dict[int, Value] = {0: 4, 1: "42", 4: "1"}

_MALFORMED: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-unknown-even-key", "EXT-001~1", {32: 0}),
    ("reject-operation-text", "INF-004~2", {0: "chat"}),
    ("reject-operation-array", "INF-004~2", {0: []}),
    ("reject-operation-true", "INF-004~2", {0: True}),
    ("reject-model-empty", "INF-004~2", {1: ""}),
    ("reject-model-of-129-bytes", "INF-004~2", {1: "m" * 129}),
    ("reject-model-of-129-bytes-in-43-characters", "INF-004~2", {1: "\u20ac" * 43}),
    ("reject-model-bytes", "INF-004~2", {1: b"tiny"}),
    ("reject-no-message", "INF-004~2", {2: []}),
    ("reject-messages-map", "INF-004~2", {2: {0: _USER}}),
    ("reject-message-text", "INF-004~2", {2: ["Hello"]}),
    ("reject-message-without-content", "INF-004~2", {2: [{0: 2}]}),
    ("reject-message-unknown-role", "INF-004~2", {2: [{0: 5, 1: "a"}]}),
    ("reject-message-role-true", "INF-004~2", {2: [{0: True, 1: "a"}]}),
    ("reject-message-content-null", "INF-004~2", {2: [{0: 2, 1: None}]}),
    ("reject-message-even-key", "EXT-001~1", {2: [{0: 2, 1: "a", 10: 0}]}),
    ("reject-max-tokens-0", "INF-004~2", {3: 0}),
    ("reject-max-tokens-beyond-most", "INF-004~2", {3: MAX_TOKENS + 1}),
    ("reject-deadline-0", "INF-004~2", {4: 0}),
    ("reject-deadline-beyond-an-hour", "INF-004~2", {4: MAX_DEADLINE_MS + 1}),
    ("reject-stop-empty-list", "INF-004~2", {5: []}),
    ("reject-stop-of-5", "INF-004~2", {5: ["a", "b", "c", "d", "e"]}),
    ("reject-stop-empty-text", "INF-004~2", {5: [""]}),
    ("reject-stop-of-257-bytes", "INF-004~2", {5: ["a" * 257]}),
    ("reject-stop-text", "INF-004~2", {5: "a"}),
    ("reject-temperature-above-2", "INF-004~2", {6: 2 * MILLION + 1}),
    ("reject-temperature-negative", "INF-004~2", {6: -1}),
    ("reject-temperature-null", "INF-004~2", {6: None}),
    ("reject-top-p-0", "INF-004~2", {7: 0}),
    ("reject-top-p-above-1", "INF-004~2", {7: MILLION + 1}),
    ("reject-top-k-negative", "INF-004~2", {8: -1}),
    ("reject-min-p-above-1", "INF-004~2", {9: MILLION + 1}),
    ("reject-presence-penalty-below", "INF-004~2", {10: -2 * MILLION - 1}),
    ("reject-frequency-penalty-above", "INF-004~2", {11: 2 * MILLION + 1}),
    ("reject-seed-negative", "INF-004~2", {12: -1}),
    ("reject-repetition-penalty-0", "INF-004~2", {14: 0}),
    ("reject-repetition-penalty-above-10", "INF-004~2", {14: 10 * MILLION + 1}),
    ("reject-logit-bias-empty", "INF-004~2", {16: []}),
    ("reject-logit-bias-map", "INF-004~2", {16: {1: 0}}),
    ("reject-logit-bias-of-three", "INF-004~2", {16: [[1, 0, 0]]}),
    ("reject-logit-bias-above-100", "INF-004~2", {16: [[1, 100 * MILLION + 1]]}),
    ("reject-logit-bias-token-of-33-bits", "INF-004~2", {16: [[MAX_TOKEN_ID + 1, 0]]}),
    ("reject-logit-bias-not-ascending", "INF-034~1", {16: [[2, 0], [1, 0]]}),
    ("reject-logit-bias-token-twice", "INF-034~1", {16: [[1, 0], [1, 0]]}),
    ("reject-top-logprobs-21", "INF-004~2", {18: 21}),
    ("reject-top-logprobs-true", "INF-004~2", {18: True}),
    ("reject-no-tool", "INF-004~2", {20: []}),
    ("reject-tool-without-name", "INF-004~2", {20: [{1: "f"}]}),
    ("reject-tool-name-empty", "INF-004~2", {20: [{0: ""}]}),
    ("reject-tool-name-of-129-bytes", "INF-004~2", {20: [{0: "\u20ac" * 43}]}),
    ("reject-tool-parameters-map", "INF-004~2", {20: [{0: "f", 2: {}}]}),
    ("reject-tool-strict-1", "INF-004~2", {20: [{0: "f", 3: 1}]}),
    ("reject-tool-even-key", "EXT-001~1", {20: [{0: "f", 4: 0}]}),
    ("reject-tool-twice", "INF-034~1", {20: [{0: "f"}, {0: "f", 1: "other"}]}),
    ("reject-tool-choice-3", "INF-004~2", {20: [{0: "f"}], 22: 3}),
    ("reject-tool-choice-empty", "INF-004~2", {20: [{0: "f"}], 22: ""}),
    ("reject-tool-choice-of-no-tool", "INF-034~1", {20: [{0: "f"}], 22: "g"}),
    ("reject-tool-choice-required-without-tools", "INF-034~1", {22: 2}),
    ("reject-parallel-tool-calls-1", "INF-004~2", {20: [{0: "f"}], 24: 1}),
    ("reject-response-format-1", "INF-004~2", {26: 1}),
    ("reject-response-format-even-key", "EXT-001~1", {26: {4: 0}}),
    ("reject-response-format-schema-map", "INF-004~2", {26: {0: {}}}),
    ("reject-reasoning-effort-6", "INF-004~2", {28: 6}),
    ("reject-reasoning-effort-text", "INF-004~2", {28: "high"}),
    ("reject-no-calls", "INF-004~2", {2: [_USER, {0: 3, 1: "", 2: []}]}),
    ("reject-65-calls", "INF-004~2", {2: [_USER, {0: 3, 1: "", 2: [{**_CALL, 0: str(n)} for n in range(65)]}]}),
    ("reject-call-without-arguments", "INF-004~2", {2: [_USER, {0: 3, 1: "", 2: [{0: "1", 1: "f"}]}]}),
    ("reject-call-of-a-user", "INF-034~1", {2: [{**_USER, 2: [_CALL]}]}),
    ("reject-reasoning-of-a-user", "INF-034~1", {2: [{**_USER, 8: "hm"}]}),
    ("reject-call-id-twice", "INF-034~1", {2: [_USER, {0: 3, 1: "", 2: [_CALL, _CALL]}]}),
    ("reject-result-without-call-id", "INF-034~1", {2: [_USER, _CALLED, {0: 4, 1: "42"}]}),
    ("reject-result-of-no-call", "INF-034~1", {2: [_USER, {**_RESULT}]}),
    ("reject-result-before-its-call", "INF-034~1", {2: [_USER, _RESULT, _CALLED]}),
    ("reject-result-of-another-call", "INF-034~1", {2: [_USER, _CALLED, {**_RESULT, 4: "2"}]}),
    ("reject-call-id-of-a-user", "INF-034~1", {2: [_USER, _CALLED, {**_USER, 4: "1"}]}),
    ("reject-dimensions-of-a-chat", "EXT-001~1", {30: 5}),
)
_OTHER_MALFORMED: tuple[tuple[str, str, Content, Mapping[int, Value]], ...] = (
    ("reject-prompt-array", "INF-004~2", _COMPLETION, {2: [1, 2]}),
    ("reject-prompt-of-no-token", "INF-004~2", _COMPLETION, {2: b""}),
    ("reject-prompt-of-5-bytes", "INF-004~2", _COMPLETION, {2: bytes(5)}),
    ("reject-completion-max-tokens-0", "INF-004~2", _COMPLETION, {3: 0}),
    ("reject-completion-bias-token-twice", "INF-034~1", _COMPLETION, {16: [[1, 0], [1, 0]]}),
    ("reject-completion-with-tools", "EXT-001~1", _COMPLETION, {20: [{0: "f"}]}),
    ("reject-no-input", "INF-004~2", _EMBEDDING, {2: []}),
    ("reject-inputs-text", "INF-004~2", _EMBEDDING, {2: "red"}),
    ("reject-input-number", "INF-004~2", _EMBEDDING, {2: [7]}),
    ("reject-2049-inputs", "INF-004~2", _EMBEDDING, {2: [""] * 2049}),
    ("reject-dimensions-0", "INF-004~2", _EMBEDDING, {30: 0}),
    ("reject-dimensions-16385", "INF-004~2", _EMBEDDING, {30: 16_385}),
    ("reject-embedding-with-temperature", "EXT-001~1", _EMBEDDING, {6: 0}),
)
_UNSUPPORTED: tuple[tuple[str, Mapping[int, Value]], ...] = (
    ("reject-operation-0", {0: 0}),
    ("reject-operation-4", {0: 4}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, request in _REQUESTS:
        made.append(_accepted(slug, requirement, encode_content(request), request))
    made.append(_accepted("accept-unknown-odd-key", "EXT-006~1", encode({**_VALUE, 13: [{}]}), REQUEST))
    made.append(_accepted("accept-reserved-key", "EXT-006~1", encode_content(REQUEST, {65: True}), REQUEST))
    seeded = replace(REQUEST, sampling=Sampling(temperature=0, seed=(1 << 64) - 1))
    made.append(_accepted("accept-greatest-seed", "INF-004~2", encode_content(seeded), seeded))
    made += [_refused(slug, requirement, {**_VALUE, **change}) for slug, requirement, change in _MALFORMED]
    for slug, requirement, request, change in _OTHER_MALFORMED:
        made.append(_refused(slug, requirement, {**as_map(encode_content(request)), **change}))
    for missing, name in ((1, "model"), (2, "messages"), (3, "max-tokens"), (4, "deadline")):
        rest = {key: value for key, value in _VALUE.items() if key != missing}
        made.append(_refused(f"reject-without-{name}", "INF-004~2", rest))
    made.append(_refused("reject-array", "INF-004~2", [_VALUE]))
    made += [_refused(slug, "INF-005~1", {**_VALUE, **change}, ErrorCode.UNSUPPORTED) for slug, change in _UNSUPPORTED]
    head = encode({**_VALUE, 2: []})
    messages = head.index(b"\x02\x80")
    too_many = parts(
        (head[: messages + 1].hex() + "990401", 1), (encode(_USER).hex(), 1025), (head[messages + 2 :].hex(), 1)
    )
    made.append(_refused_bytes("reject-1025-messages", "INF-004~2", too_many, joined(too_many)))
    made.append(_refused_bytes("reject-not-deterministic", "INF-003~1", (CONTENT + b"\x00").hex(), CONTENT + b"\x00"))
    made.append(_refused_bytes("reject-empty", "INF-003~1", "", b""))
    return made


def _accepted(slug: str, requirement: str, content: bytes, request: Content) -> dict[str, Json]:
    if decode_content(content) != request:
        raise DisagreementError(slug)
    return case(slug, requirement, hex=content.hex(), expect=accept(request=shown(request)))


def _refused(slug: str, requirement: str, value: Value, code: ErrorCode = ErrorCode.MALFORMED) -> dict[str, Json]:
    data = encode(value)
    expect = reject(lambda: decode_content(data), code, requirement)
    return case(slug, requirement, hex=data.hex(), expect=expect)


def _refused_bytes(slug: str, requirement: str, shown: Json, data: bytes) -> dict[str, Json]:
    expect = reject(lambda: decode_content(data), ErrorCode.MALFORMED, requirement)
    return case(slug, requirement, hex=shown, expect=expect)


FAMILY = Family(
    name="content",
    description="The content of a REQUEST: what is asked for, byte for byte as it is committed to.",
    notes=(
        "Accepted: hex is the content of request.",
        "Sampling parameters are integers in millionths, but top_k and seed. A parameter that is not there is the"
        " model's own default. seed is in decimal, since it may need 64 bits. A prompt is a text, or a list of token"
        " ids; a tool_choice is the number of a mode, or the name of a tool.",
        "Rejected: the request is refused with the code.",
    ),
    verification=(
        "Decode hex as the content of a REQUEST, within which all these are plain byte strings.",
        "stop is an empty list where hex has none, and sampling is there without a parameter in it; everything else is"
        " there where hex has it.",
        "Writing request gives hex again, but where hex has a key that is ignored (the cases that cite EXT-006). That"
        " is for your own test: the outcome does not show it.",
    ),
    schema={"hex": HEX_PARTS, "expect": outcome(request=SCHEMA)},
    cases=_cases,
)
