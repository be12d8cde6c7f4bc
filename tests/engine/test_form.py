"""Answers have the form that was asked for, whatever the model would rather say: the tiny one says noise."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from mycellm_proto.answer import Part
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    FinishReason,
    Message,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from reference_node.engine import Engine, EngineOptions, load_engine
from reference_node.engine.calls import GENERIC, HERMES, LLAMA, MISTRAL, Call, CallFormat, CallParser
from reference_node.engine.form import Form
from reference_node.engine.grammar import Grammars
from reference_node.generation import Delta, Finished, GenerationError
from reference_node.models import InstalledModel, ModelStore
from tests.engine.asking import ask
from tests.engine.looping import preparation
from tests.models.tiny import Tiny, write_tiny

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["town", "city"]},
        "big": {"type": "boolean"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
    },
    "required": ["kind", "big", "tags"],
    "additionalProperties": False,
}
TOOL = Tool(name="look", description="Looks at a city", parameters=json.dumps(CITY))
OTHER = Tool(
    name="ls", parameters='{"type": "object", "properties": {"all": {"type": "boolean"}}, "required": ["all"]}'
)


@pytest.fixture(scope="module")
def model(tiny_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    """The tiny model with room for what it is told of tools."""
    path = write_tiny(tmp_path_factory.mktemp("roomy") / "roomy.gguf", Tiny(context=2048))
    return tiny_store.import_(path)


@pytest.fixture
async def engine(model: InstalledModel) -> AsyncIterator[Engine]:
    made = await load_engine(model, options=EngineOptions(threads=1, spin=False, slots=2))
    assert isinstance(made, Engine)
    yield made
    await made.aclose()


def chat(text: str = "the cat", **more: Any) -> ChatRequest:
    messages = more.pop("messages", (Message(role=Role.USER, content=text),))
    sampling = more.pop("sampling", Sampling(temperature=1_500_000, seed=more.pop("seed", 1)))
    given = {"max_tokens": 120, "deadline_ms": 60_000, "sampling": sampling, **more}
    return ChatRequest(model="m", messages=messages, **given)


async def parts(engine: Engine, wanted: ChatRequest) -> tuple[dict[Part, str], Finished]:
    *events, finished = [event async for event in engine.generate(wanted)]
    assert isinstance(finished, Finished)
    found: dict[Part, str] = {}
    for event in events:
        if isinstance(event, Delta) and event.text:
            found[event.part] = found.get(event.part, "") + event.text
    return found, finished


@pytest.mark.parametrize("seed", range(8))
async def test_a_schema_is_obeyed(engine: Engine, seed: int) -> None:
    wanted = ResponseFormat(schema=json.dumps(CITY))
    found, finished = await parts(engine, chat(response_format=wanted, seed=seed))
    assert finished.reason is FinishReason.STOP
    jsonschema.validate(json.loads(found[Part.ANSWER]), CITY)


async def test_a_json_object_is_one_as_far_as_it_comes(engine: Engine) -> None:
    found, finished = await parts(engine, chat(response_format=ResponseFormat(), seed=3))
    assert found[Part.ANSWER].startswith("{")
    if finished.reason is FinishReason.STOP:
        assert isinstance(json.loads(found[Part.ANSWER]), dict)


async def test_an_answer_in_a_form_or_a_call(engine: Engine) -> None:
    wanted = ResponseFormat(schema=json.dumps(CITY))
    for seed in range(6):
        found, finished = await parts(engine, chat(response_format=wanted, tools=(TOOL,), seed=seed, max_tokens=400))
        assert finished.reason in (FinishReason.STOP, FinishReason.TOOL_CALLS)
        jsonschema.validate(json.loads(found.get(Part.ARGUMENTS) or found[Part.ANSWER]), CITY)


@pytest.mark.parametrize("choice", [ToolMode.REQUIRED, "look", "ls"])
async def test_a_call_that_must_come_comes(engine: Engine, choice: ToolMode | str) -> None:
    found, finished = await parts(engine, chat(tools=(TOOL, OTHER), tool_choice=choice, max_tokens=400))
    assert finished.reason is FinishReason.TOOL_CALLS
    assert set(found) == {Part.CALL, Part.ARGUMENTS}
    assert found[Part.CALL] == choice or choice is ToolMode.REQUIRED
    tool = {"look": TOOL, "ls": OTHER}[found[Part.CALL]]
    jsonschema.validate(json.loads(found[Part.ARGUMENTS]), json.loads(tool.parameters or ""))


async def test_tools_that_may_be_called_leave_noise_as_text(engine: Engine) -> None:
    found, finished = await parts(engine, chat(tools=(TOOL,)))
    assert set(found) == {Part.ANSWER}
    assert finished.reason in (FinishReason.LENGTH, FinishReason.STOP)


async def test_form_and_no_form_share_a_step_and_change_nothing(engine: Engine) -> None:
    """A row of free text beside one with a form is what it is alone."""
    alone = await ask(engine, chat("it is", seed=5))
    wanted = ResponseFormat(schema=json.dumps(CITY))
    beside, _ = await asyncio.gather(ask(engine, chat("it is", seed=5)), parts(engine, chat(response_format=wanted)))
    assert beside == alone


@pytest.mark.parametrize(
    ("more", "parameter"),
    [
        ({"response_format": ResponseFormat(schema="not JSON")}, "response_format"),
        ({"response_format": ResponseFormat(schema='{"type": "nothing"}')}, "response_format"),
        ({"response_format": ResponseFormat(schema='{"type": "object", "not": {}}')}, "response_format"),
        ({"tools": (Tool(name="x", parameters='{"not": {}}'),), "tool_choice": ToolMode.REQUIRED}, "tools"),
        ({"tools": (Tool(name="x", parameters='{"not": {}}', strict=True),)}, "tools"),
        ({"messages": (Message(role=Role.USER, content="x", name="Ann"),)}, "messages.name"),
    ],
)
async def test_what_cannot_be_held_to_is_refused_by_name(engine: Engine, more: dict[str, Any], parameter: str) -> None:
    with pytest.raises(GenerationError) as refused:
        await parts(engine, chat(**more))
    assert (refused.value.code, refused.value.parameter) == (ErrorCode.UNSUPPORTED, parameter)


async def test_a_tool_without_a_usable_schema_may_still_be_offered(engine: Engine) -> None:
    found, _ = await parts(engine, chat(tools=(Tool(name="x", parameters='{"not": {}}'), Tool(name="y"))))
    assert found


async def test_vectors_are_no_business_of_a_chat_model(engine: Engine) -> None:
    with pytest.raises(GenerationError, match="UNSUPPORTED"):
        await anext(engine.generate(EmbeddingRequest(model="m", inputs=("x",), deadline_ms=1000)))


async def test_results_of_tools_are_part_of_the_prompt(engine: Engine) -> None:
    history = (
        Message(role=Role.USER, content="the cat"),
        Message(role=Role.ASSISTANT, content="", calls=(ToolCall(id="1", name="ls", arguments='{"all": true}'),)),
        Message(role=Role.TOOL, content="a hat", call_id="1"),
    )
    text = engine.decode(engine.prompt_of(chat(messages=history, tools=(OTHER,))))
    assert '{"name": "ls", "arguments": {"all": true}}' in text
    assert "<tool_response>\na hat\n</tool_response>" in text


async def test_a_completion_goes_on_from_the_prompt_as_it_is(engine: Engine) -> None:
    greedy = Sampling(temperature=0)
    more: dict[str, Any] = {"model": "m", "max_tokens": 6, "deadline_ms": 60_000, "sampling": greedy}
    texts = []
    for prompt in ("the cat", tuple(engine.encode("the cat"))):
        *events, finished = [event async for event in engine.generate(CompletionRequest(prompt=prompt, **more))]
        assert isinstance(finished, Finished)
        assert finished.input_tokens == len(engine.encode("the cat"))
        texts.append("".join(event.text for event in events if isinstance(event, Delta)))
    assert texts[0] == texts[1]
    with pytest.raises(GenerationError, match="MALFORMED"):
        await anext(engine.generate(CompletionRequest(prompt=(1 << 31,), **more)))


async def test_log_probabilities_are_those_of_the_model(engine: Engine) -> None:
    plain = [e async for e in engine.generate(chat(top_logprobs=3, max_tokens=12, sampling=Sampling(temperature=0)))]
    entries = [entry for event in plain if isinstance(event, Delta) for entry in event.logprobs]
    finished = plain[-1]
    assert isinstance(finished, Finished)
    assert len(entries) == finished.output_tokens - (finished.reason is FinishReason.STOP)
    for entry in entries:
        assert entry.top[0] == entry.token  # greedy draws the likeliest
        assert [top.below for top in entry.top] == sorted(top.below for top in entry.top)
    text = "".join(event.text for event in plain if isinstance(event, Delta))
    assert b"".join(entry.token.text for entry in entries).decode(errors="replace").startswith(text[:3])


async def test_no_stop_sequence_shows_in_log_probabilities(engine: Engine) -> None:
    greedy: dict[str, Any] = {"max_tokens": 24, "sampling": Sampling(temperature=0), "top_logprobs": 0}
    text, _ = await ask(engine, chat(**greedy))
    stop = text[4:7]
    events = [event async for event in engine.generate(chat(stop=(stop,), **greedy))]
    shown = b"".join(entry.token.text for e in events if isinstance(e, Delta) for entry in e.logprobs)
    assert stop not in shown.decode(errors="replace")
    assert text.index(stop) >= len(shown.decode(errors="ignore"))


async def test_bias_and_repetition_change_what_is_drawn(engine: Engine) -> None:
    (wanted,) = engine.encode("cat")[:1]
    biased = chat(max_tokens=3, sampling=Sampling(temperature=0, logit_bias=((wanted, 100_000_000), (1 << 30, 5))))
    text, _ = await ask(engine, biased)
    assert text == engine.decode([wanted]) * 3
    plain, _ = await ask(engine, chat(max_tokens=24, sampling=Sampling(temperature=0)))
    other, _ = await ask(engine, chat(max_tokens=24, sampling=Sampling(temperature=0, repetition_penalty=10_000_000)))
    assert plain != other


OPENER = "<tool_call>"


def driven(tools: dict[str, Tool], texts: list[str]) -> tuple[list[bool], list[tuple[Part, str]]]:
    """Lets a model say these texts, a character a token; for each, whether the form allowed it when it came."""
    tokenizer = character_tokenizer()
    grammars = Grammars(tokenizer.to_str(), tokenizer.get_vocab_size(), [0])
    _, rule = GENERIC.grammar({name: tool.parameters or "{}" for name, tool in tools.items()})
    form = Form(in_calls=grammars.constraint(f"start: {rule}", "tools", whole=False), tokens=grammars.tokens)
    parser, allowed, pieces = CallParser(GENERIC, tools), [], []
    for text in texts:
        tokens = tokenizer.encode(text).ids
        fits = True
        for token in tokens:
            may = form.allowed()
            fits = fits and (may is None or bool(may[token]))
            pieces += parser.push(tokenizer.decode([token]))
            assert not form.take(token, parser)
        allowed.append(fits)
    return allowed, pieces + parser.flush()


def character_tokenizer() -> Tokenizer:
    alphabet = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={each: i for i, each in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_a_call_that_a_model_begins_has_to_be_one() -> None:
    whole = '\n{"name": "ls", "arguments": {"all": true}}\n</tool_call>'
    allowed, pieces = driven({"ls": OTHER}, ["Well. ", OPENER, whole, " Then ", OPENER, whole])
    assert all(allowed)
    assert [text for part, text in pieces if part is Part.CALL] == ["ls", "ls"]
    allowed, _ = driven({"ls": OTHER}, ["Well. ", OPENER, '\n{"name": "rm"'])
    assert allowed == [True, True, False]
    allowed, _ = driven({"ls": OTHER}, ["<tool_", "box> is", " free text {"])
    assert all(allowed)


def test_a_tokenizer_of_an_unknown_kind_leaves_what_needs_no_form() -> None:
    """`tests.engine.looping` has one."""
    made = preparation()
    assert "tools" in made.abilities.parameters
    assert not {"response_format", "tool_choice", "tools.strict"} & made.abilities.parameters
    prepared = made.prepare(chat("x", tools=(TOOL,)))
    assert prepared.form is None
    assert made.bytes_of(1) == made.decode([1]).encode()


NESTED = {
    "$defs": {"city": {"type": "object", "properties": {"n": {"enum": ['a"}] // x', "#b"]}}, "required": ["n"]}},
    "type": "object",
    "properties": {"c": {"$ref": "#/$defs/city"}},
    "required": ["c"],
}


@pytest.mark.parametrize("form", [HERMES, LLAMA, MISTRAL])
def test_the_grammar_of_a_call_is_what_the_format_reads(form: CallFormat) -> None:
    """References inside a tool's schema and every character hold."""
    tokenizer = character_tokenizer()
    grammars = Grammars(tokenizer.to_str(), tokenizer.get_vocab_size(), [0])
    name, arguments = 'näme "x"', '{"c": {"n": "a\\"}] // x"}}'
    opener, rule = form.grammar({name: json.dumps(NESTED), "ls": OTHER.parameters or ""})
    constraint = grammars.constraint(f"start: {rule}", "tools", whole=True)
    written = form.write([Call(name=name, arguments=arguments)])
    assert written.startswith(opener)
    assert constraint.feed(grammars.tokens(written[len(opener) :]))
    assert constraint.done
    parser = CallParser(form, {name})
    pieces = parser.push(written) + parser.flush()
    assert pieces == [(Part.CALL, name), (Part.ARGUMENTS, arguments)]
    refused = constraint.fresh()
    assert not refused.feed(grammars.tokens(written[len(opener) :].replace("a\\", "c\\")))


async def test_json_that_is_nested_too_deeply_is_no_accident(engine: Engine) -> None:
    for depth in (100, 400, 990, 5000):
        deep = '{"properties": {"a": ' * depth + "{}" + "}}" * depth
        for wanted in (
            chat(response_format=ResponseFormat(schema=deep), max_tokens=2),
            chat(tools=(Tool(name="x", parameters=deep),), tool_choice=ToolMode.REQUIRED, max_tokens=2),
        ):
            with contextlib.suppress(GenerationError):
                await parts(engine, wanted)
