"""From a request to all that its answer needs: the prompt's tokens, and what its text is read and held to.

Nothing here touches the model, so it runs beside the engine's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    Operation,
    Prompt,
    ReasoningEffort,
    Tool,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_CALLS
from reference_node.engine import reasoning
from reference_node.engine.answer import AnswerStream
from reference_node.engine.calls import CallParser
from reference_node.engine.form import Form
from reference_node.engine.grammar import Constraint, Grammars, json_rule, unsupported
from reference_node.engine.lark import quoted
from reference_node.engine.reasoning import ReasoningSplitter
from reference_node.engine.template import ChatTemplate
from reference_node.engine.text import TextStream
from reference_node.generation import COMMON, Abilities, GenerationError
from reference_node.models.manifest import Manifest

GENERATED = COMMON | {"repetition_penalty", "logit_bias", "top_logprobs", "prompt.tokens"}
CONVERSED = frozenset(("tools", "parallel_tool_calls", "messages.calls"))
FORMED = frozenset(("tools.strict", "tool_choice", "response_format", "response_format.schema"))
REASONED = frozenset(("reasoning_effort", "messages.reasoning"))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the answer to one request needs."""

    prompt: Sequence[int]
    answer: AnswerStream
    form: Form | None = None


class Preparation:
    """Prepares requests for one model. ``tokenizer_json`` is the file that ``tokenizer`` was read from."""

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, tokenizer_json: Path | str) -> None:
        self._tokenizer, self._manifest = tokenizer, manifest
        self.template = ChatTemplate(manifest.chat_template, bos_token=manifest.bos_token, eos_token=manifest.eos_token)
        self._shown = _special_ids(tokenizer, self.template.calls.markers)
        try:
            self._grammars: Grammars | None = Grammars(tokenizer_json, manifest.vocabulary, manifest.end_tokens)
        except ValueError as error:  # answers without a form need none
            log.warning("%s: no answers of a form, as its tokenizer is of an unknown kind (%s)", manifest.id, error)
            self._grammars = None

    @property
    def abilities(self) -> Abilities:
        """What an engine with this preparation does."""
        parameters = GENERATED | CONVERSED | (FORMED if self._grammars is not None else frozenset())
        if self.template.reasons:
            parameters |= REASONED
        if self.template.reads_names:
            parameters |= {"messages.name"}
        return Abilities(operations=frozenset((Operation.CHAT, Operation.COMPLETE)), parameters=parameters)

    def prepare(self, request: Content) -> Prepared:
        """Blocking: templates and grammars take milliseconds. Raises `GenerationError`: MALFORMED, UNSUPPORTED."""
        if isinstance(request, EmbeddingRequest):
            raise unsupported("operation")
        if isinstance(request, CompletionRequest):
            return Prepared(prompt=self._raw(request.prompt), answer=AnswerStream(self._stream(request, {})))
        try:
            return self._conversation(request)
        except RecursionError:  # JSON nested so deeply that it could just be read
            raise GenerationError(ErrorCode.MALFORMED) from None

    def encode(self, text: str) -> list[int]:
        """A text's tokens; special ones by their names."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, the names of special ones included. Ids beyond the vocabulary are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def bytes_of(self, token: int) -> bytes:
        """A token's own bytes."""
        return self.decode([token]).encode() if self._grammars is None else self._grammars.bytes_of(token)

    def _raw(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self.encode(prompt)
        if max(prompt, default=0) >= self._manifest.vocabulary:
            limit = self._manifest.vocabulary - 1
            raise GenerationError(ErrorCode.MALFORMED, limit=limit, actual=max(prompt), parameter="prompt")
        return list(prompt)

    def _conversation(self, request: ChatRequest) -> Prepared:
        tools = {} if request.tool_choice is ToolMode.NONE else {tool.name: tool for tool in request.tools}
        parser = None
        if tools:
            most = 1 if request.parallel_tool_calls is False else MAX_CALLS
            parser = CallParser(self.template.calls, tools, most=most)
        text = self.template.render(request)
        now, opener = self._form_now(request, tools)
        if parser is not None:
            parser.push(opener)
            if request.tool_choice not in (None, ToolMode.AUTO):
                parser.guide()
        splitter = None
        if self.template.reasons:
            inside = text.rstrip().endswith(reasoning.OPEN)
            if now is not None or request.reasoning_effort is ReasoningEffort.NONE:
                text += f"\n{reasoning.CLOSE}\n\n" if inside else ""  # what has a form has no thoughts before it
            else:
                splitter = ReasoningSplitter(inside=inside)
        form = self._form(now, tools)
        stream = self._stream(request, self._shown if tools else {})
        return Prepared(prompt=self.encode(text + opener), answer=AnswerStream(stream, parser, splitter), form=form)

    def _stream(self, request: ChatRequest | CompletionRequest, shown: Mapping[int, str]) -> TextStream:
        return TextStream(self._tokenizer, request.stop, shown)

    def _form(self, now: Constraint | None, tools: Mapping[str, Tool]) -> Form | None:
        if self._grammars is None:
            return None
        in_calls = None
        if tools and now is None:
            try:
                _, rule = self.template.calls.grammar(_schemas(tools))
                in_calls = self._grammars.constraint(f"start: {rule}", "tools", whole=False)
            except GenerationError:
                if any(tool.strict for tool in tools.values()):
                    raise
        if now is None and in_calls is None:
            return None
        return Form(now=now, in_calls=in_calls, tokens=self._grammars.tokens)

    def _form_now(self, request: ChatRequest, tools: Mapping[str, Tool]) -> tuple[Constraint | None, str]:
        """The form that holds from the beginning, and what the prompt says of it already."""
        choice = request.tool_choice
        if self._grammars is None:  # then the abilities leave out what needs one
            return None, ""
        if tools and choice not in (None, ToolMode.AUTO):
            chosen = {choice: tools[choice]} if isinstance(choice, str) and choice in tools else tools
            opener, rule = self.template.calls.grammar(_schemas(chosen))
            return self._grammars.constraint(f"start: {rule}", "tools", whole=True), opener
        if request.response_format is None:
            return None, ""
        start = json_rule(request.response_format.schema)
        if tools:
            opener, rule = self.template.calls.grammar(_schemas(tools))
            if set(self._shown.values()) & {opener}:
                raise unsupported("response_format")  # whose alternative begins with a special token
            start = f"{start} | {quoted(opener)} {rule}"
        return self._grammars.constraint(f"start: {start}", "response_format", whole=True), ""


def _schemas(tools: Mapping[str, Tool]) -> dict[str, str]:
    return {name: tool.parameters or "{}" for name, tool in tools.items()}


def _special_ids(tokenizer: Tokenizer, markers: Sequence[str]) -> dict[int, str]:
    """The tokens of these markers that would not be shown, as they are special."""
    found = {tokenizer.token_to_id(marker): marker for marker in markers}
    added = tokenizer.get_added_tokens_decoder()
    return {token: marker for token, marker in found.items() if token in added and added[token].special}
