"""What a content may not be: a part of the family inference."""

from __future__ import annotations

from typing import Any

from conformance.judge.expect import Refuses
from conformance.script.answering import asking
from conformance.script.contents import CONTENTS
from conformance.script.faults import Fault
from conformance.script.session import Session

from .registry import Family

PART = Family("inference")
_TWIN = "accept-chat"


async def _ask_with_fault(session: Session) -> None:
    """One request with the faulty content, and a sign of life behind its refusal."""
    request = await asking(session)
    request.send(request.compose(edits=CONTENTS[session.fault]), fault=session.fault)
    await request.finish()
    await request.side.probe()


def _refuse(slug: str, fault: Fault, requirement: str, page: str, *, code: str = "MALFORMED", **more: Any) -> None:
    PART.add(
        f"refuse-{slug}",
        page=page,
        requirements=(requirement, *more.get("also", ())),
        script=_ask_with_fault,
        expect=Refuses(code),
        fault=fault,
        twin=_TWIN,
        tier=more.get("tier", "core"),
    )


_NO_ITEM = (
    ("empty-content", Fault.CONTENT_EMPTY, "The content has no bytes at all."),
    ("truncated-content", Fault.CONTENT_TRUNCATED, "The last byte of the content is missing, and its frame is whole."),
    ("trailing-content", Fault.CONTENT_TRAILING_BYTES, "One byte follows the item in the content."),
    ("content-not-shortest", Fault.CONTENT_NOT_SHORTEST, "The seed 0 takes two bytes where one is enough."),
    ("content-keys-descending", Fault.CONTENT_KEYS_DESCENDING, "The keys of the content descend."),
    ("content-key-twice", Fault.CONTENT_KEY_TWICE, "The temperature comes twice: two readers may take two of them."),
    ("content-text-key", Fault.CONTENT_TEXT_KEY, "A parameter has a name in place of a number."),
    ("content-nan", Fault.CONTENT_NAN, "A min_p that is not a number. NaN passes every comparison that guards it."),
    ("content-float", Fault.CONTENT_FLOAT, "A top_p of 0.9 as a float: parameters are integers in millionths."),
    ("content-tagged", Fault.CONTENT_TAGGED, "The seed is tagged."),
    ("content-indefinite", Fault.CONTENT_INDEFINITE, "The content is a map of indefinite length."),
    ("content-bad-utf8", Fault.CONTENT_BAD_UTF8, "A surrogate is in the value of a key that would be ignored."),
    ("content-too-deep", Fault.CONTENT_TOO_DEEP, "The value of a key that would be ignored is 17 containers deep."),
    (
        "content-of-too-many-items",
        Fault.CONTENT_TOO_MANY_ITEMS,
        "The value of a key that would be ignored has more than 65,536 elements: a bound holds for what is skipped.",
    ),
)
for _slug, _fault, _page in _NO_ITEM:
    _refuse(_slug, _fault, "INF-003~1", f"{_page} The request is refused, and the connection lives on.")

_NO_REQUEST = (
    ("content-of-no-map", Fault.CONTENT_NOT_A_MAP, "The content is an array."),
    ("content-without-operation", Fault.CONTENT_WITHOUT_OPERATION, "The content does not say what it asks for."),
    ("content-without-model", Fault.CONTENT_WITHOUT_MODEL, "The content names no model."),
    ("content-without-messages", Fault.CONTENT_WITHOUT_MESSAGES, "The content has no conversation."),
    ("content-without-max-tokens", Fault.CONTENT_WITHOUT_MAX_TOKENS, "The content sets no budget of tokens."),
    ("content-without-deadline", Fault.CONTENT_WITHOUT_DEADLINE, "The content sets no deadline."),
    ("operation-of-text", Fault.CONTENT_OPERATION_TEXT, "The operation is a name: no integer, so no operation."),
    ("empty-model", Fault.CONTENT_MODEL_EMPTY, "The model's id has no bytes."),
    ("long-model", Fault.CONTENT_MODEL_TOO_LONG, "The model's id has 129 bytes."),
    ("no-messages", Fault.CONTENT_MESSAGES_EMPTY, "The conversation has no message."),
    ("too-many-messages", Fault.CONTENT_MESSAGES_TOO_MANY, "The conversation has 1025 messages."),
    ("message-without-role", Fault.CONTENT_MESSAGE_WITHOUT_ROLE, "Nobody speaks the message."),
    ("message-without-content", Fault.CONTENT_MESSAGE_WITHOUT_CONTENT, "The message has a speaker and no text."),
    ("message-of-bytes", Fault.CONTENT_MESSAGE_BYTES, "The text of the message is a byte string."),
    ("role-0", Fault.CONTENT_ROLE_ZERO, "The speaker is 0, which is nobody."),
    ("role-5", Fault.CONTENT_ROLE_UNKNOWN, "The speaker is 5, one behind the registered ones."),
    ("max-tokens-0", Fault.CONTENT_MAX_TOKENS_ZERO, "An answer of no tokens is asked for."),
    ("max-tokens-too-many", Fault.CONTENT_MAX_TOKENS_TOO_MANY, "One token more than MAX_TOKENS is asked for."),
    ("max-tokens-true", Fault.CONTENT_MAX_TOKENS_TRUE, "max_tokens is true, which is 1 in some languages alone."),
    ("deadline-0", Fault.CONTENT_DEADLINE_ZERO, "A deadline of no time."),
    ("deadline-too-long", Fault.CONTENT_DEADLINE_TOO_LONG, "A deadline of an hour and a millisecond."),
    ("no-stop-sequences", Fault.CONTENT_STOP_EMPTY, "A list of stop sequences with nothing in it."),
    ("too-many-stop-sequences", Fault.CONTENT_STOP_TOO_MANY, "Five stop sequences."),
    ("empty-stop-sequence", Fault.CONTENT_STOP_SEQUENCE_EMPTY, "A stop sequence that is everywhere."),
    ("long-stop-sequence", Fault.CONTENT_STOP_SEQUENCE_TOO_LONG, "A stop sequence of 257 bytes."),
    ("temperature-null", Fault.CONTENT_TEMPERATURE_NULL, "A temperature of null: what is not set is left out."),
    ("temperature-too-low", Fault.CONTENT_TEMPERATURE_NEGATIVE, "A temperature below 0."),
    ("temperature-too-high", Fault.CONTENT_TEMPERATURE_TOO_HIGH, "A temperature a millionth above 2."),
    ("seed-negative", Fault.CONTENT_SEED_NEGATIVE, "A seed of -1, which means any elsewhere and nothing here."),
)
_BEYOND_BOUNDS = (
    ("top-p-0", Fault.CONTENT_TOP_P_ZERO, "A top_p of 0, which no token reaches."),
    ("top-p-too-high", Fault.CONTENT_TOP_P_TOO_HIGH, "A top_p a millionth above 1."),
    ("top-k-too-low", Fault.CONTENT_TOP_K_NEGATIVE, "A top_k of -1, which means all elsewhere and nothing here."),
    ("top-k-too-high", Fault.CONTENT_TOP_K_TOO_HIGH, "A top_k above MAX_TOKENS."),
    ("min-p-too-low", Fault.CONTENT_MIN_P_NEGATIVE, "A min_p below 0."),
    ("min-p-too-high", Fault.CONTENT_MIN_P_TOO_HIGH, "A min_p a millionth above 1."),
    ("presence-penalty-too-low", Fault.CONTENT_PRESENCE_PENALTY_TOO_LOW, "A presence_penalty a millionth below -2."),
    ("presence-penalty-too-high", Fault.CONTENT_PRESENCE_PENALTY_TOO_HIGH, "A presence_penalty a millionth above 2."),
    ("frequency-penalty-too-low", Fault.CONTENT_FREQUENCY_PENALTY_TOO_LOW, "A frequency_penalty a millionth below -2."),
    (
        "frequency-penalty-too-high",
        Fault.CONTENT_FREQUENCY_PENALTY_TOO_HIGH,
        "A frequency_penalty a millionth above 2.",
    ),
)
for _slug, _fault, _page in _NO_REQUEST:
    _refuse(_slug, _fault, "INF-004~2", f"{_page} The request is refused, and the connection lives on.")
for _slug, _fault, _page in _BEYOND_BOUNDS:
    _refuse(_slug, _fault, "INF-004~2", f"{_page} The request is refused, and the connection lives on.", tier="full")

_WISHES = (
    (
        "repetition-penalty-0",
        Fault.CONTENT_REPETITION_PENALTY_ZERO,
        "INF-004~2",
        "A repetition_penalty of 0, by which nothing can be divided.",
    ),
    (
        "no-logit-bias",
        Fault.CONTENT_LOGIT_BIAS_EMPTY,
        "INF-004~2",
        "A list of biases with nothing in it.",
    ),
    (
        "logit-bias-too-high",
        Fault.CONTENT_LOGIT_BIAS_TOO_HIGH,
        "INF-004~2",
        "A bias a millionth above 100.",
    ),
    (
        "logit-bias-descending",
        Fault.CONTENT_LOGIT_BIAS_DESCENDING,
        "INF-034~1",
        "The token ids of the biases descend.",
    ),
    (
        "logit-bias-twice",
        Fault.CONTENT_LOGIT_BIAS_TWICE,
        "INF-034~1",
        "One token has two biases: two readers may take two of them.",
    ),
    (
        "too-many-logprobs",
        Fault.CONTENT_TOP_LOGPROBS_TOO_MANY,
        "INF-004~2",
        "21 alternatives are asked for.",
    ),
    (
        "no-tools",
        Fault.CONTENT_TOOLS_EMPTY,
        "INF-004~2",
        "A list of tools with nothing in it.",
    ),
    (
        "tool-without-name",
        Fault.CONTENT_TOOL_WITHOUT_NAME,
        "INF-004~2",
        "A tool that cannot be called, since it has no name.",
    ),
    (
        "long-tool-name",
        Fault.CONTENT_TOOL_NAME_TOO_LONG,
        "INF-004~2",
        "A tool's name of 129 bytes.",
    ),
    (
        "tool-parameters-of-a-map",
        Fault.CONTENT_TOOL_PARAMETERS_MAP,
        "INF-004~2",
        "A tool's parameters are a map: they are JSON, in text.",
    ),
    (
        "tool-twice",
        Fault.CONTENT_TOOL_TWICE,
        "INF-034~1",
        "Two tools have one name.",
    ),
    (
        "tool-choice-3",
        Fault.CONTENT_TOOL_CHOICE_UNKNOWN,
        "INF-004~2",
        "A tool_choice that is not registered.",
    ),
    (
        "tool-choice-of-no-tool",
        Fault.CONTENT_TOOL_CHOICE_OF_NO_TOOL,
        "INF-034~1",
        "The tool that has to be called is not offered.",
    ),
    (
        "tool-choice-without-tools",
        Fault.CONTENT_TOOL_CHOICE_WITHOUT_TOOLS,
        "INF-034~1",
        "A call is required, and there is nothing to call.",
    ),
    (
        "parallel-tool-calls-1",
        Fault.CONTENT_PARALLEL_TOOL_CALLS_ONE,
        "INF-004~2",
        "parallel_tool_calls is 1, which is true in some languages alone.",
    ),
    (
        "response-format-of-a-number",
        Fault.CONTENT_RESPONSE_FORMAT_NUMBER,
        "INF-004~2",
        "A response_format that is a number.",
    ),
    (
        "schema-of-a-map",
        Fault.CONTENT_RESPONSE_FORMAT_SCHEMA_MAP,
        "INF-004~2",
        "A schema that is a map: it is JSON, in text.",
    ),
    (
        "reasoning-effort-6",
        Fault.CONTENT_REASONING_EFFORT_UNKNOWN,
        "INF-004~2",
        "A reasoning_effort that is not registered.",
    ),
    (
        "too-many-calls",
        Fault.CONTENT_CALLS_TOO_MANY,
        "INF-004~2",
        "A message with 65 calls.",
    ),
    (
        "calls-of-a-user",
        Fault.CONTENT_CALLS_OF_A_USER,
        "INF-034~1",
        "A user calls a tool, which is the model's to do.",
    ),
    (
        "reasoning-of-a-user",
        Fault.CONTENT_REASONING_OF_A_USER,
        "INF-034~1",
        "A user's message holds reasoning, which is the model's.",
    ),
    (
        "call-id-twice",
        Fault.CONTENT_CALL_ID_TWICE,
        "INF-034~1",
        "Two calls of a message have one id.",
    ),
    (
        "result-without-call-id",
        Fault.CONTENT_RESULT_WITHOUT_CALL_ID,
        "INF-034~1",
        "A tool's result does not say which call it is of.",
    ),
    (
        "result-of-no-call",
        Fault.CONTENT_RESULT_OF_NO_CALL,
        "INF-034~1",
        "A tool's result is of a call that nobody made.",
    ),
)
"""Of tools, formats and log-probabilities."""
for _slug, _fault, _requirement, _page in _WISHES:
    _refuse(_slug, _fault, _requirement, f"{_page} The request is refused, and the connection lives on.")

_refuse(
    "unknown-parameter",
    Fault.CONTENT_UNKNOWN_EVEN_KEY,
    "INF-004~2",
    "A parameter that this version does not have, under an even key: whoever cannot apply it must not answer.",
    also=("EXT-001~1", "INF-006~1"),
)
_refuse(
    "unknown-key-of-message",
    Fault.CONTENT_MESSAGE_UNKNOWN_EVEN_KEY,
    "INF-004~2",
    "A message holds an unknown even key, as a later version would mark an image that has to be understood.",
    also=("EXT-001~1",),
)
for _slug, _fault, _page in (
    ("unknown-operation", Fault.CONTENT_OPERATION_UNKNOWN, "Operation 4 is not registered."),
    ("operation-0", Fault.CONTENT_OPERATION_ZERO, "Operation 0 is an integer, and no operation."),
    ("operation-negative", Fault.CONTENT_OPERATION_NEGATIVE, "Operation -1 is an integer, and no operation."),
    (
        "content-of-another-operation",
        Fault.CONTENT_OF_ANOTHER_OPERATION,
        "The content is that of an operation yet to come, and nothing else in it is known.",
    ),
):
    _refuse(
        _slug,
        _fault,
        "INF-005~1",
        f"{_page} The caller learns that it has to ask elsewhere, not that it made a mistake.",
        code="UNSUPPORTED",
    )
