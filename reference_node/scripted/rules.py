"""The rules of the scripted engine (see the package's docstring): from a request to all that will be answered."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Message,
    ReasoningEffort,
    Role,
    Tool,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from reference_node.scripted import tokens
from reference_node.scripted.instance import instance_text

TEXT = "ACCEPT-OK from the scripted engine."
THOUGHT = "The rules say what to answer."
RESULT_SHOWN = 200
"""Characters of a tool's result that an answer repeats."""

MAX_REPEATED = 1_000_000
"""Tokens that REPEAT makes at most: more than any request may ask for."""

MAX_WAIT_MS = 3_600_000
"""The longest deadline of a request."""

_SAY = re.compile(r"SAY_B64\s+([A-Za-z0-9+/=]+)")
_THINK = re.compile(r"THINK_B64\s+([A-Za-z0-9+/=]+)")
_CALL = re.compile(
    r"CALL_TOOL_B64\s+(?P<b64_name>\S+)\s+(?P<b64>[A-Za-z0-9+/=]+)"
    r"|CALL_TOOL\s+(?P<name>\S+)\s+(?P<clear>\{.*?\})(?=\s+END_CALL|\s*$)",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = {name: re.compile(rf"\b{name}\s+(\d{{1,9}})\b") for name in ("REPEAT", "WAIT_MS", "PACE_MS", "FAIL_AFTER")}
_FAIL = re.compile(r"\bFAIL_WITH\s+([A-Z_]+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How something is answered. ``fail_after`` counts tokens."""

    wait_ms: int
    pace_ms: int
    refusal: ErrorCode | None
    fail_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is answered, in this order, and how. ``calls`` are (name, arguments)."""

    manner: Manner
    reasoning: str = ""
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


def write_script(request: ChatRequest | CompletionRequest) -> Script:
    """Applies the rules."""
    if isinstance(request, CompletionRequest):
        prompt = request.prompt if isinstance(request.prompt, str) else tokens.decode(request.prompt)
        return Script(text=_text(request, prompt, ()), manner=_manner(prompt))
    question, results = _turn(request.messages)
    calls = () if results else tuple(_calls(request, question))
    answer = _text(request, question, results)
    said = _SAY.search(question) is not None and request.response_format is None
    return Script(
        manner=_manner(question),
        reasoning=_reasoning(request, question),
        text=answer if not calls or said else "",
        calls=calls,
    )


def _turn(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The question, and the results of tools that stand behind it."""
    asked, behind_results = -1, False
    for index, message in enumerate(messages):
        if message.role is Role.USER and message.content and not behind_results:
            asked = index
        if message.role in (Role.TOOL, Role.ASSISTANT):
            behind_results = message.role is Role.TOOL
    question = messages[asked].content if asked >= 0 else ""
    return question, [message for message in messages[asked + 1 :] if message.role is Role.TOOL]


def _text(request: ChatRequest | CompletionRequest, question: str, results: Sequence[Message]) -> str:
    wanted = request.response_format if isinstance(request, ChatRequest) else None
    if wanted is not None:
        return instance_text(wanted.schema, TEXT) if wanted.schema else json.dumps({"answer": TEXT})
    if results:
        return f"{TEXT} TOOL_RESULT_SEEN: {results[-1].content[:RESULT_SHOWN]}"
    if "SHOW_REQUEST" in question:
        return json.dumps({"operation": request.operation, **asdict(request)}, sort_keys=True, ensure_ascii=False)
    if (repeated := _number("REPEAT", question, MAX_REPEATED)) is not None:
        return "abc " * repeated
    said = _decoded(_SAY.search(question))
    return TEXT if said is None else said


def _reasoning(request: ChatRequest, question: str) -> str:
    thought = _decoded(_THINK.search(question))
    if thought is not None:
        return thought
    return THOUGHT if request.reasoning_effort not in (None, ReasoningEffort.NONE) else ""


def _calls(request: ChatRequest, question: str) -> Iterator[tuple[str, str]]:
    choice = request.tool_choice
    offered = {tool.name: tool for tool in request.tools}
    if isinstance(choice, str):
        offered = {name: tool for name, tool in offered.items() if name == choice}
    if not offered or choice is ToolMode.NONE:
        return
    marked = list(_marked(question, offered))
    if marked:
        yield from marked if request.parallel_tool_calls is not False else marked[:1]
        return
    first = next(iter(offered.values()))
    if choice not in (None, ToolMode.AUTO) or (len(offered) == 1 and _is_asked_for(first, question)):
        yield first.name, instance_text(first.parameters, TEXT)


def _marked(question: str, offered: dict[str, Tool]) -> Iterator[tuple[str, str]]:
    lowered = {name.lower(): name for name in reversed(offered)}
    for found in _CALL.finditer(question):
        name = found["b64_name"] or found["name"]
        arguments = _decode(found["b64"]) if found["b64"] is not None else found["clear"]
        name = name if name in offered else lowered.get(name.lower())
        if name is not None and arguments is not None:
            yield name, arguments


def _is_asked_for(tool: Tool, question: str) -> bool:
    _, separator, last = tool.name.rpartition("_")
    lines = question.splitlines()
    return bool(separator and last and lines) and last.lower() in lines[-1].lower()


def _manner(question: str) -> Manner:
    failure = _FAIL.search(question)
    code = ErrorCode.__members__.get(failure[1]) if failure else None
    return Manner(
        wait_ms=_number("WAIT_MS", question, MAX_WAIT_MS) or 0,
        pace_ms=_number("PACE_MS", question, MAX_WAIT_MS) or 0,
        refusal=None if code is ErrorCode.NO_ERROR else code,
        fail_after=_number("FAIL_AFTER", question, MAX_REPEATED),
    )


def _number(name: str, question: str, most: int) -> int | None:
    found = _NUMBER[name].search(question)
    return None if found is None else min(int(found[1]), most)


def _decoded(found: re.Match[str] | None) -> str | None:
    return None if found is None else _decode(found[1])


def _decode(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
