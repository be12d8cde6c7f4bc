"""The three contents of a request: what crosses, what is refused, and what a request wants of a model."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import codec, limits
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    Message,
    Operation,
    Prompt,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.content_codec import decode_content, encode_content, parameter_name
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.features import FEATURES, features
from mycellm_proto.fields import ShapeError
from mycellm_proto.order import ContentError

from .pair import BOB, order, quote

NAMES = st.text("abc-_é", min_size=1, max_size=12)
TEXTS = st.text(max_size=20)
IDS = st.integers(0, limits.MAX_TOKEN_ID)
PROMPTS: st.SearchStrategy[Prompt] = TEXTS | st.lists(IDS, min_size=1, max_size=9).map(tuple)
MILLIONTHS = st.integers(1, 1_000_000)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.none() | MILLIONTHS,
    top_p=st.none() | MILLIONTHS,
    repetition_penalty=st.none() | MILLIONTHS,
    logit_bias=st.dictionaries(IDS, st.integers(-(10**8), 10**8), max_size=5).map(lambda of: tuple(sorted(of.items()))),
    seed=st.none() | st.integers(0, (1 << 64) - 1),
)
TOOLS = st.lists(
    st.builds(
        Tool,
        name=NAMES,
        description=st.none() | TEXTS,
        parameters=st.none() | TEXTS,
        strict=st.none() | st.booleans(),
    ),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)
FORMATS = st.builds(ResponseFormat, schema=st.none() | TEXTS, name=st.none() | NAMES, strict=st.none() | st.booleans())


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message(role=Role.USER, content=draw(TEXTS), name=draw(st.none() | NAMES))]
    for number in range(draw(st.integers(0, 3))):
        calls = tuple(
            ToolCall(id=f"{number}-{index}", name=draw(NAMES), arguments=draw(TEXTS))
            for index in range(draw(st.integers(0, 2)))
        )
        messages.append(
            Message(role=Role.ASSISTANT, content=draw(TEXTS), calls=calls, reasoning=draw(st.none() | TEXTS))
        )
        messages += [Message(role=Role.TOOL, content=draw(TEXTS), call_id=call.id) for call in calls]
    return tuple(messages)


@st.composite
def chats(draw: st.DrawFn) -> ChatRequest:
    tools = draw(TOOLS)
    choices: list[ToolMode | str | None] = [None, ToolMode.NONE, ToolMode.AUTO]
    if tools:
        choices += [ToolMode.REQUIRED, tools[0].name]
    return ChatRequest(
        model="m",
        messages=draw(conversations()),
        max_tokens=draw(st.integers(1, limits.MAX_TOKENS)),
        deadline_ms=60_000,
        stop=draw(st.lists(NAMES, max_size=4).map(tuple)),
        sampling=draw(SAMPLINGS),
        top_logprobs=draw(st.none() | st.integers(0, limits.MAX_TOP_LOGPROBS)),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        response_format=draw(st.none() | FORMATS),
        reasoning_effort=draw(st.none() | st.sampled_from(ReasoningEffort)),
    )


CONTENTS: st.SearchStrategy[Content] = st.one_of(
    chats(),
    st.builds(
        CompletionRequest,
        model=NAMES,
        prompt=PROMPTS,
        max_tokens=st.integers(1, limits.MAX_TOKENS),
        deadline_ms=st.integers(1, limits.MAX_DEADLINE_MS),
        sampling=SAMPLINGS,
        top_logprobs=st.none() | st.integers(0, limits.MAX_TOP_LOGPROBS),
        stop=st.lists(NAMES, max_size=4).map(tuple),
    ),
    st.builds(
        EmbeddingRequest,
        model=NAMES,
        inputs=st.lists(PROMPTS, min_size=1, max_size=4).map(tuple),
        deadline_ms=st.integers(1, limits.MAX_DEADLINE_MS),
        dimensions=st.none() | st.integers(1, limits.MAX_DIMENSIONS),
    ),
)


@given(CONTENTS)
def test_every_request_survives_the_wire(request: Content) -> None:
    content = encode_content(request)
    assert decode_content(content) == request
    assert encode_content(decode_content(content)) == content
    assert codec.encode(codec.decode(content)) == content


CHAT = ChatRequest(
    model="m",
    messages=(
        Message(role=Role.USER, content="?"),
        Message(role=Role.ASSISTANT, content="", calls=(ToolCall(id="1", name="f", arguments="{}"),)),
        Message(role=Role.TOOL, content="4", call_id="1"),
    ),
    max_tokens=5,
    deadline_ms=1000,
    tools=(Tool(name="f"), Tool(name="g")),
)
USER, CALLED, RESULT = CHAT.messages


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"tools": (Tool(name="f"), Tool(name="f"))}, "tools"),
        ({"tool_choice": "h"}, "tool_choice"),
        ({"tools": (), "tool_choice": ToolMode.REQUIRED}, "tool_choice"),
        ({"sampling": Sampling(logit_bias=((2, 0), (1, 0)))}, "logit_bias"),
        ({"sampling": Sampling(logit_bias=((1, 0), (1, 1)))}, "logit_bias"),
        ({"messages": (replace(USER, calls=CALLED.calls),)}, "messages"),
        ({"messages": (replace(USER, reasoning="hm"),)}, "messages"),
        ({"messages": (replace(CALLED, calls=CALLED.calls * 2),)}, "messages"),
        ({"messages": (USER, RESULT)}, "messages"),
        ({"messages": (USER, RESULT, CALLED)}, "messages"),
        ({"messages": (USER, CALLED, replace(RESULT, call_id="2"))}, "messages"),
        ({"messages": (USER, CALLED, replace(RESULT, call_id=None))}, "messages"),
        ({"messages": (USER, CALLED, replace(USER, call_id="1"))}, "messages"),
    ],
    ids=str,
)
def test_what_one_field_says_of_another_must_hold(wrong: dict[str, object], field: str) -> None:
    decode_content(encode_content(CHAT))
    broken = replace(CHAT, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError) as refused:
        decode_content(encode_content(broken))
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.MALFORMED, "INF-034")
    assert refused.value.field == field
    with pytest.raises(ContentError) as own:  # and a consumer does not even sign it
        order((quote(), sign(BOB, quote())), **{each.name: getattr(broken, each.name) for each in fields(broken)})
    assert own.value.parameter == field


def test_an_operation_needs_its_capability() -> None:
    content = encode_content(EmbeddingRequest(model="m", inputs=("x",), deadline_ms=1))
    assert decode_content(content).operation is Operation.EMBED
    with pytest.raises(RemoteProtocolError) as refused:
        decode_content(content, frozenset((Operation.CHAT,)))
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.UNSUPPORTED, "VER-004")


def test_what_a_request_wants_is_named_with_its_key() -> None:
    plain = replace(CHAT, messages=(USER,), tools=())
    assert not list(features(plain))
    nothing = replace(plain, tool_choice=ToolMode.AUTO, parallel_tool_calls=True)
    assert not list(features(nothing)), "what happens anyway is no wish"
    everything = replace(
        CHAT,
        messages=(replace(USER, name="n"), replace(CALLED, reasoning="r"), RESULT),
        stop=("x",),
        sampling=Sampling(*(), temperature=1, top_p=1, top_k=1, min_p=1, presence_penalty=1, frequency_penalty=1,
                          seed=1, repetition_penalty=1, logit_bias=((1, 1),)),
        top_logprobs=0,
        tools=(Tool(name="f", strict=True),),
        tool_choice="f",
        parallel_tool_calls=False,
        response_format=ResponseFormat(schema="{}"),
        reasoning_effort=ReasoningEffort.NONE,
    )  # fmt: skip
    completion = CompletionRequest(model="m", prompt=(1,), max_tokens=1, deadline_ms=1)
    embedding = EmbeddingRequest(model="m", inputs=((1,),), deadline_ms=1, dimensions=2)
    wanted: set[str] = set()
    for request in (everything, completion, embedding):
        for name, key in features(request):
            assert parameter_name(request.operation, key) == name.split(".")[0]
            wanted.add(name)
    assert wanted == FEATURES
    assert parameter_name(Operation.EMBED, 6) is None
