"""Renders a conversation with the model's own chat template, in a sandbox: templates come from downloaded files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import jinja2
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mycellm_proto.content import ChatRequest, Message, ReasoningEffort, Role, Tool, ToolMode
from mycellm_proto.errors import ErrorCode
from reference_node.engine import reasoning
from reference_node.engine.calls import Call, CallFormat, choose_format
from reference_node.engine.calls.format import parse_json
from reference_node.engine.options import EngineError
from reference_node.generation import GenerationError

MAX_RENDERED_CHARACTERS = 64 << 20
"""Far above any context's text, so that a runaway template cannot take all memory."""

ROLE_NAMES = {Role.SYSTEM: "system", Role.USER: "user", Role.ASSISTANT: "assistant", Role.TOOL: "tool"}

TOOLS_PROMPT = """\
You can call functions. These are their signatures, one JSON object a line:
{tools}
To call one, answer with nothing but its name and arguments in this form:
{example}"""
"""What a model is told whose template knows no tools."""

EXAMPLE = Call(name="NAME", arguments='{"ARGUMENT": "VALUE"}')
RESULT = "<tool_response>\n{content}\n</tool_response>"


class ChatTemplate:
    """A compiled template. Raises `EngineError` if it is not valid or cannot render the simplest conversation."""

    def __init__(self, source: str, *, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
        )
        environment.globals["raise_exception"] = _raise_exception
        environment.filters["tojson"] = _to_json
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self.calls: CallFormat = choose_format(source)
        self.reasons = reasoning.OPEN in source
        self.reads_names = "message.name" in source or "message['name']" in source or 'message["name"]' in source
        try:
            self._knows_tools = "tools" in find_undeclared_variables(environment.parse(source))
            self._template = environment.from_string(source)
            self._render([{"role": "user", "content": "Hello"}])
        except (jinja2.TemplateError, *_RUNTIME_ERRORS) as error:
            raise EngineError(
                f"The model's chat template does not work ({type(error).__name__}: {error}). "
                "Import a model whose tokenizer_config.json or GGUF metadata holds a working one."
            ) from error

    def render(self, request: ChatRequest) -> str:
        """The prompt's text, up to where the assistant's answer begins.

        Raises `GenerationError` (MALFORMED) for a conversation that the model's template refuses.
        """
        tools = request.tools if request.tool_choice is not ToolMode.NONE else ()
        messages = request.messages if self._knows_tools else self._without_tools(request.messages, tools)
        variables: dict[str, object] = {}
        if tools and self._knows_tools:
            variables["tools"] = [_tool(tool) for tool in tools]
        if request.reasoning_effort is not None:
            effort = request.reasoning_effort
            variables["enable_thinking"] = effort is not ReasoningEffort.NONE
            variables["reasoning_effort"] = effort.name.lower()
        try:
            return self._render([_turn(message) for message in messages], variables)
        except (jinja2.TemplateError, *_RUNTIME_ERRORS) as error:
            raise GenerationError(ErrorCode.MALFORMED) from error

    def _without_tools(self, messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
        """The conversation with tools, calls and results as text."""
        found = [self._as_text(message) for message in messages]
        if not tools:
            return found
        listed = "\n".join(_to_json(_tool(tool)["function"]) for tool in tools)
        told = TOOLS_PROMPT.format(tools=listed, example=self.calls.write([EXAMPLE]))
        if found and found[0].role is Role.SYSTEM:
            return [replace(found[0], content=f"{found[0].content}\n\n{told}"), *found[1:]]
        return [Message(role=Role.SYSTEM, content=told), *found]

    def _as_text(self, message: Message) -> Message:
        if message.role is Role.TOOL:
            return Message(role=Role.USER, content=RESULT.format(content=message.content))
        if message.calls:
            calls = self.calls.write([Call(name=call.name, arguments=call.arguments) for call in message.calls])
            return Message(role=message.role, content="\n".join(filter(None, (message.content, calls))))
        return message

    def _render(self, turns: Sequence[Mapping[str, Any]], variables: Mapping[str, object] | None = None) -> str:
        pieces, length = [], 0
        values = {**self._tokens, **(variables or {})}
        for piece in self._template.generate(messages=turns, add_generation_prompt=True, **values):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_RENDERED_CHARACTERS:
                raise jinja2.TemplateError("it renders more text than any context holds")
        return "".join(pieces)


def _turn(message: Message) -> dict[str, Any]:
    """A message as templates expect it."""
    turn: dict[str, Any] = {"role": ROLE_NAMES[message.role], "content": message.content}
    if message.calls:
        turn["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in message.calls]
    if message.call_id is not None:
        turn["tool_call_id"] = short_id(message.call_id)
    if message.name is not None:
        turn["name"] = message.name
    if message.reasoning is not None:
        turn["reasoning_content"] = message.reasoning
    return turn


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    parsed = parse_json(arguments)
    function = {"name": name, "arguments": parsed if isinstance(parsed, dict) else arguments}
    return {"id": short_id(call_id), "type": "function", "function": function}


def short_id(call_id: str) -> str:
    """A call's id in nine letters and digits, which is the only form that some templates take."""
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _tool(tool: Tool) -> dict[str, Any]:
    parameters = parse_json(tool.parameters) if tool.parameters else None
    function: dict[str, Any] = {"name": tool.name, "description": tool.description or ""}
    function["parameters"] = parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


_RUNTIME_ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""What Python code in a template can raise besides jinja2's own errors."""


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
