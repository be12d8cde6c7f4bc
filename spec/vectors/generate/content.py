"""Family ``content``: what a REQUEST asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mycellm_proto.codec import Value, encode
from mycellm_proto.content import MILLION, ChatRequest, Message, Role, Sampling
from mycellm_proto.content_codec import decode_content, encode_content
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_DEADLINE_MS, MAX_TOKENS

from .constants import CONTENT, REQUEST
from .family import HEX_PARTS, NUMBER, TEXT, DisagreementError, Family, Json, accept, case, outcome, record, reject
from .notation import as_map, joined, parts

_LEAST = Sampling(
    temperature=0, top_p=1, top_k=0, min_p=0, presence_penalty=-2 * MILLION, frequency_penalty=-2 * MILLION, seed=0
)
_MOST = Sampling(
    temperature=2 * MILLION,
    top_p=MILLION,
    top_k=MAX_TOKENS,
    min_p=MILLION,
    presence_penalty=2 * MILLION,
    frequency_penalty=2 * MILLION,
    seed=(1 << 53) - 1,
)
_TURNS = (
    Message(role=Role.SYSTEM, content="Answer in one word."),
    Message(role=Role.USER, content="The capital of France?"),
    Message(role=Role.ASSISTANT, content="Paris"),
    Message(role=Role.USER, content="\u00c6r\u00f8sk\u00f8bing, \u6771\u4eac \U0001f344\n\t\x00"),
)

_REQUESTS: tuple[tuple[str, str, ChatRequest], ...] = (
    ("accept-plain", "INF-004~1", REQUEST),
    ("accept-nothing-optional", "INF-004~1", replace(REQUEST, sampling=Sampling())),
    ("accept-conversation", "INF-004~1", replace(REQUEST, messages=_TURNS)),
    ("accept-empty-message", "INF-004~1", replace(REQUEST, messages=(Message(role=Role.USER, content=""),))),
    ("accept-1024-messages", "INF-004~1", replace(REQUEST, messages=(Message(role=Role.USER, content="a"),) * 1024)),
    (
        "accept-everything-least",
        "INF-004~1",
        replace(REQUEST, max_tokens=1, deadline_ms=1, stop=("\n",), sampling=_LEAST),
    ),
    (
        "accept-everything-most",
        "INF-004~1",
        replace(
            REQUEST,
            model="m" * 128,
            max_tokens=MAX_TOKENS,
            deadline_ms=MAX_DEADLINE_MS,
            stop=("a" * 256, "b", "\u20ac" * 85, "d"),
            sampling=_MOST,
        ),
    ),
)

_VALUE = as_map(CONTENT)
_USER: Value = {0: 2, 1: "a"}

_MALFORMED: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-unknown-even-key", "EXT-001~1", {14: 0}),
    ("reject-operation-text", "INF-004~1", {0: "chat"}),
    ("reject-operation-array", "INF-004~1", {0: []}),
    ("reject-operation-true", "INF-004~1", {0: True}),
    ("reject-model-empty", "INF-004~1", {1: ""}),
    ("reject-model-of-129-bytes", "INF-004~1", {1: "m" * 129}),
    ("reject-model-of-129-bytes-in-43-characters", "INF-004~1", {1: "\u20ac" * 43}),
    ("reject-model-bytes", "INF-004~1", {1: b"tiny"}),
    ("reject-no-message", "INF-004~1", {2: []}),
    ("reject-messages-map", "INF-004~1", {2: {0: _USER}}),
    ("reject-message-text", "INF-004~1", {2: ["Hello"]}),
    ("reject-message-without-content", "INF-004~1", {2: [{0: 2}]}),
    ("reject-message-unknown-role", "INF-004~1", {2: [{0: 4, 1: "a"}]}),
    ("reject-message-role-true", "INF-004~1", {2: [{0: True, 1: "a"}]}),
    ("reject-message-content-null", "INF-004~1", {2: [{0: 2, 1: None}]}),
    ("reject-message-even-key", "EXT-001~1", {2: [{0: 2, 1: "a", 2: 0}]}),
    ("reject-max-tokens-0", "INF-004~1", {3: 0}),
    ("reject-max-tokens-beyond-most", "INF-004~1", {3: MAX_TOKENS + 1}),
    ("reject-deadline-0", "INF-004~1", {4: 0}),
    ("reject-deadline-beyond-an-hour", "INF-004~1", {4: MAX_DEADLINE_MS + 1}),
    ("reject-stop-empty-list", "INF-004~1", {5: []}),
    ("reject-stop-of-5", "INF-004~1", {5: ["a", "b", "c", "d", "e"]}),
    ("reject-stop-empty-text", "INF-004~1", {5: [""]}),
    ("reject-stop-of-257-bytes", "INF-004~1", {5: ["a" * 257]}),
    ("reject-stop-text", "INF-004~1", {5: "a"}),
    ("reject-temperature-above-2", "INF-004~1", {6: 2 * MILLION + 1}),
    ("reject-temperature-negative", "INF-004~1", {6: -1}),
    ("reject-temperature-null", "INF-004~1", {6: None}),
    ("reject-top-p-0", "INF-004~1", {7: 0}),
    ("reject-top-p-above-1", "INF-004~1", {7: MILLION + 1}),
    ("reject-top-k-negative", "INF-004~1", {8: -1}),
    ("reject-min-p-above-1", "INF-004~1", {9: MILLION + 1}),
    ("reject-presence-penalty-below", "INF-004~1", {10: -2 * MILLION - 1}),
    ("reject-frequency-penalty-above", "INF-004~1", {11: 2 * MILLION + 1}),
    ("reject-seed-negative", "INF-004~1", {12: -1}),
)
_UNSUPPORTED: tuple[tuple[str, Mapping[int, Value]], ...] = (
    ("reject-operation-0", {0: 0}),
    ("reject-operation-2", {0: 2}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, request in _REQUESTS:
        made.append(_accepted(slug, requirement, encode_content(request), request))
    made.append(_accepted("accept-unknown-odd-key", "EXT-006~1", encode({**_VALUE, 13: [{}]}), REQUEST))
    made.append(_accepted("accept-reserved-key", "EXT-006~1", encode_content(REQUEST, {65: True}), REQUEST))
    seeded = replace(REQUEST, sampling=Sampling(temperature=0, seed=(1 << 64) - 1))
    made.append(_accepted("accept-greatest-seed", "INF-004~1", encode_content(seeded), seeded))
    made += [_refused(slug, requirement, {**_VALUE, **change}) for slug, requirement, change in _MALFORMED]
    for missing, name in ((1, "model"), (2, "messages"), (3, "max-tokens"), (4, "deadline")):
        rest = {key: value for key, value in _VALUE.items() if key != missing}
        made.append(_refused(f"reject-without-{name}", "INF-004~1", rest))
    made.append(_refused("reject-array", "INF-004~1", [_VALUE]))
    made += [_refused(slug, "INF-005~1", {**_VALUE, **change}, ErrorCode.UNSUPPORTED) for slug, change in _UNSUPPORTED]
    head = encode({**_VALUE, 2: []})
    messages = head.index(b"\x02\x80")
    too_many = parts(
        (head[: messages + 1].hex() + "990401", 1), (encode(_USER).hex(), 1025), (head[messages + 2 :].hex(), 1)
    )
    made.append(_refused_bytes("reject-1025-messages", "INF-004~1", too_many, joined(too_many)))
    made.append(_refused_bytes("reject-not-deterministic", "INF-003~1", (CONTENT + b"\x00").hex(), CONTENT + b"\x00"))
    made.append(_refused_bytes("reject-empty", "INF-003~1", "", b""))
    return made


def _accepted(slug: str, requirement: str, content: bytes, request: ChatRequest) -> dict[str, Json]:
    if decode_content(content) != request:
        raise DisagreementError(slug)
    return case(slug, requirement, hex=content.hex(), expect=accept(request=_shown(request)))


def _shown(request: ChatRequest) -> dict[str, Json]:
    sampling = request.sampling
    return {
        "operation": request.operation.name,
        "model": request.model,
        "messages": [{"role": each.role.name, "content": each.content} for each in request.messages],
        "max_tokens": request.max_tokens,
        "deadline_ms": request.deadline_ms,
        "stop": list(request.stop),
        "sampling": {
            name: str(getattr(sampling, name)) if name == "seed" else getattr(sampling, name)
            for name in _SAMPLING
            if getattr(sampling, name) is not None
        },
    }


_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "seed")


def _refused(slug: str, requirement: str, value: Value, code: ErrorCode = ErrorCode.MALFORMED) -> dict[str, Json]:
    data = encode(value)
    expect = reject(lambda: decode_content(data), code, requirement)
    return case(slug, requirement, hex=data.hex(), expect=expect)


def _refused_bytes(slug: str, requirement: str, shown: Json, data: bytes) -> dict[str, Json]:
    expect = reject(lambda: decode_content(data), ErrorCode.MALFORMED, requirement)
    return case(slug, requirement, hex=shown, expect=expect)


_MESSAGE = record(role={"enum": [role.name for role in Role]}, content=TEXT)
_REQUEST = record(
    operation={"const": REQUEST.operation.name},
    model=TEXT,
    messages={"type": "array", "items": _MESSAGE, "minItems": 1},
    max_tokens=NUMBER,
    deadline_ms=NUMBER,
    stop={"type": "array", "items": TEXT},
    sampling=record(optional=_SAMPLING, **dict.fromkeys(_SAMPLING[:-1], NUMBER), seed=TEXT),
)

FAMILY = Family(
    name="content",
    description="The content of a REQUEST: a chat request, byte for byte as it is committed to.",
    notes=(
        "Accepted: hex is the content of request.",
        "Sampling parameters are integers in millionths, but top_k and seed. A parameter that is not there is the"
        " model's own default. seed is in decimal, since it may need 64 bits.",
        "Rejected: the request is refused with the code.",
    ),
    verification=(
        "Decode hex as the content of a REQUEST, within which all these are plain byte strings.",
        "stop is an empty list where hex has none; sampling has just the parameters that hex has.",
        "Writing request gives hex again, but where hex has a key that is ignored (the cases that cite EXT-006). That"
        " is for your own test: the outcome does not show it.",
    ),
    schema={"hex": HEX_PARTS, "expect": outcome(request=_REQUEST)},
    cases=_cases,
)
