"""Renders a conversation with the model's own chat template, in a sandbox: templates come from downloaded files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mycellm_proto.content import Message, Role
from mycellm_proto.errors import ErrorCode
from reference_node.engine.options import EngineError
from reference_node.generation import GenerationError

MAX_RENDERED_CHARACTERS = 64 << 20
"""Far above any context's text, so that a runaway template cannot take all memory."""

ROLE_NAMES = {Role.SYSTEM: "system", Role.USER: "user", Role.ASSISTANT: "assistant"}


class ChatTemplate:
    """A compiled template. Raises `EngineError` if it is not valid or cannot render the simplest conversation."""

    def __init__(self, source: str, *, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
        )
        environment.globals["raise_exception"] = _raise_exception
        environment.filters["tojson"] = _to_json
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            self._template = environment.from_string(source)
            self._render((Message(role=Role.USER, content="Hello"),))
        except (jinja2.TemplateError, *_RUNTIME_ERRORS) as error:
            raise EngineError(
                f"The model's chat template does not work ({type(error).__name__}: {error}). "
                "Import a model whose tokenizer_config.json or GGUF metadata holds a working one."
            ) from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt's text, up to where the assistant's answer begins.

        Raises `GenerationError` (MALFORMED) for a conversation that the model's template refuses.
        """
        try:
            text = self._render(messages)
        except (jinja2.TemplateError, *_RUNTIME_ERRORS) as error:
            raise GenerationError(ErrorCode.MALFORMED) from error
        return text

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": ROLE_NAMES[message.role], "content": message.content} for message in messages]
        pieces, length = [], 0
        for piece in self._template.generate(messages=turns, add_generation_prompt=True, **self._tokens):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_RENDERED_CHARACTERS:
                raise jinja2.TemplateError("it renders more text than any context holds")
        return "".join(pieces)


_RUNTIME_ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""What Python code in a template can raise besides jinja2's own errors."""


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
