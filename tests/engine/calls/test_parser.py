"""Calls in every family's format: what is one, what is text, and that the cut of the text makes no difference."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.answer import Part
from reference_node.engine.calls import GENERIC, HERMES, LLAMA, MISTRAL, Call, CallFormat, CallParser, choose_format

NAMES = frozenset({"get_weather", "ls"})
FORMATS: Sequence[CallFormat] = (HERMES, GENERIC, LLAMA, MISTRAL)
Parts = list[tuple[Part, str]]


def read(form: CallFormat, chunks: Iterable[str], most: int = 64) -> Parts:
    """The parts of an answer, joined where adjacent and equal (each call begins a new one)."""
    parser = CallParser(form, NAMES, most=most)
    found: Parts = []
    for chunk in chunks:
        found += parser.push(chunk)
    return join([*found, *parser.flush()])


def join(pieces: Parts) -> Parts:
    joined: Parts = []
    for part, text in pieces:
        if joined and joined[-1][0] is part is not Part.CALL:
            joined[-1] = (part, joined[-1][1] + text)
        else:
            joined.append((part, text))
    return joined


def call(name: str, arguments: str = "{}") -> Parts:
    return [(Part.CALL, name), (Part.ARGUMENTS, arguments)]


def said(text: str) -> Parts:
    return [(Part.ANSWER, text)]


OSLO = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
OSLO_CALL = call("get_weather", '{"city": "Oslo"}')
LS_TWICE = [*call("ls"), *call("ls", '{"b": 2}')]
UNKNOWN = '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'
NO_OBJECT = '<tool_call>{"name": "ls", "arguments": [1]}</tool_call>'


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (HERMES, "Hello.", said("Hello.")),
        (HERMES, f"<tool_call>\n{OSLO}\n</tool_call>", OSLO_CALL),
        (HERMES, f"I look.\n\n<tool_call>{OSLO}</tool_call>\n", [*said("I look."), *OSLO_CALL]),
        (HERMES, f"<tool_call>{OSLO}</tool_call>\n<tool_call>{OSLO}</tool_call> x", [*OSLO_CALL * 2, *said("x")]),
        (HERMES, f"<tool_call>{OSLO}", OSLO_CALL),
        (HERMES, '<tool_call>{"name": "ls"}</tool_call>', call("ls")),
        (HERMES, '<tool_call>{"name": "ls", "arguments": "{\\"a\\": 1}"}</tool_call>', call("ls", '{"a": 1}')),
        (HERMES, "a <tool_call>{broken</tool_call> b ", said("a <tool_call>{broken</tool_call> b ")),
        (HERMES, UNKNOWN, said(UNKNOWN)),
        (HERMES, NO_OBJECT, said(NO_OBJECT)),
        (HERMES, "1 < 2 and <tool", said("1 < 2 and <tool")),
        (HERMES, OSLO, said(OSLO)),
        (GENERIC, OSLO, OSLO_CALL),
        (GENERIC, f"\n[{OSLO}, {OSLO}]", [*OSLO_CALL, *OSLO_CALL]),
        (GENERIC, f"```json\n{OSLO}\n```", OSLO_CALL),
        (GENERIC, "```json\n{}\n```", said("```json\n{}\n```")),
        (GENERIC, '{"answer": 1}', said('{"answer": 1}')),
        (GENERIC, '{"name": "ls", "arguments": {', said('{"name": "ls", "arguments": {')),
        (GENERIC, f"So: {OSLO}", said(f"So: {OSLO}")),
        (GENERIC, f"<tool_call>{OSLO}</tool_call>", OSLO_CALL),
        (GENERIC, "[1] says so", said("[1] says so")),
        (LLAMA, '{"name": "ls", "parameters": {"a": "}"}}', call("ls", '{"a": "}"}')),
        (LLAMA, '<|python_tag|>{"name": "ls"}; {"name": "ls", "parameters": {"b": 2}}', LS_TWICE),
        (LLAMA, '<function=get_weather>{"city": "Oslo"}</function>', OSLO_CALL),
        (LLAMA, "<function=nope>{}</function>", said("<function=nope>{}</function>")),
        (LLAMA, '{"name": "ls", "parameters": {', said('{"name": "ls", "parameters": {')),
        (LLAMA, '{"a": 1} is JSON', said('{"a": 1} is JSON')),
        (LLAMA, '{"name": "ls", "parameters": {}} done', [*call("ls"), *said("done")]),
        (MISTRAL, f"[TOOL_CALLS] [{OSLO}]", OSLO_CALL),
        (MISTRAL, f"[TOOL_CALLS][{OSLO}, {OSLO}]", [*OSLO_CALL, *OSLO_CALL]),
        (MISTRAL, '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}', OSLO_CALL),
        (MISTRAL, '[TOOL_CALLS]ls{}[TOOL_CALLS]ls[CALL_ID]abc[ARGS]{"a": 1}', [*call("ls"), *call("ls", '{"a": 1}')]),
        (MISTRAL, "[TOOL_CALLS] none", said("[TOOL_CALLS] none")),
        (MISTRAL, "[TOOL_CALLS] [{]", said("[TOOL_CALLS] [{]")),
    ],
)  # fmt: skip
def test_calls_are_read_and_everything_else_is_text(form: CallFormat, text: str, expected: Parts) -> None:
    assert read(form, [text]) == expected
    assert read(form, text) == expected


FRAGMENTS = (
    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<function=", "</function>",
    "```json", "```", "get_weather", "ls", OSLO, '{"name": "ls", "parameters": {"a": [1, "]"]}}', "{", "}", "[", "]",
    '"', "\\", "\n", " ", ";", ",", ">", "<", "a", "{}", '{"city": "Oslo"}', "<tool", "é",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=24).map("".join)


@pytest.mark.parametrize("form", FORMATS)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_the_cut_makes_no_difference(form: CallFormat, text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[a:b] for a, b in itertools.pairwise(places)]
    whole = read(form, [text])
    assert read(form, chunks) == read(form, text) == whole
    for part, content in whole:
        if part is Part.ARGUMENTS:
            assert isinstance(json.loads(content), dict)
    if all(part is Part.ANSWER for part, _ in whole):
        assert "".join(content for _, content in whole) == text


@pytest.mark.parametrize("form", FORMATS)
@given(text=TEXTS)
def test_no_more_calls_than_may_be(form: CallFormat, text: str) -> None:
    assert sum(part is Part.CALL for part, _ in read(form, [text], most=1)) <= 1


ARGUMENTS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), max_size=4)


@pytest.mark.parametrize("form", FORMATS)
@given(made=st.lists(st.tuples(st.sampled_from(sorted(NAMES)), ARGUMENTS), min_size=1, max_size=3))
def test_what_is_written_is_read_again(form: CallFormat, made: list[tuple[str, dict[str, object]]]) -> None:
    calls = [Call(name=name, arguments=json.dumps(arguments, ensure_ascii=False)) for name, arguments in made]
    expected = [part for each in calls for part in call(each.name, each.arguments)]
    assert read(form, [form.write(calls)]) == expected


def test_a_long_call_is_read_in_reasonable_time() -> None:
    arguments = json.dumps({"text": "x{" * 100_000})
    text = f'[TOOL_CALLS] [{{"name": "ls", "arguments": {arguments}}}]'
    chunks = [text[i : i + 8] for i in range(0, len(text), 8)]
    assert read(MISTRAL, chunks) == call("ls", arguments)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ '[TOOL_CALLS]' }}", MISTRAL),
        ("…<tool_call>…", HERMES),
        ("<|start_header_id|> … 'parameters' …", LLAMA),
        ("<|im_start|>{{ messages }}", GENERIC),
    ],
)
def test_the_template_says_the_format(template: str, expected: CallFormat) -> None:
    assert choose_format(template) is expected


ARGUMENT_TEXTS = ARGUMENTS.map(lambda arguments: json.dumps(arguments, ensure_ascii=False))


@pytest.mark.parametrize("form", [HERMES, GENERIC, MISTRAL])
@given(arguments=ARGUMENT_TEXTS, cuts=st.lists(st.integers(0, 120), max_size=12), end=st.integers(0, 200))
def test_a_guided_call_goes_out_while_it_comes(form: CallFormat, arguments: str, cuts: list[int], end: int) -> None:
    opener, _ = form.grammar({"ls": "{}"})
    written = form.write([Call(name="ls", arguments=arguments)])[len(opener) :]
    for behind, expected in (("", call("ls", arguments)), (" And?", [*call("ls", arguments), *said("And?")])):
        text = written + behind
        places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
        parser = CallParser(form, NAMES)
        parser.push(f"Well. {opener}")
        parser.guide()
        pieces = [piece for a, b in itertools.pairwise(places) for piece in parser.push(text[a:b])]
        assert join([*pieces, *parser.flush()]) == expected
        assert parser.calls == 1
    cut = CallParser(form, NAMES)
    cut.push(opener)
    cut.guide()
    pieces = [*cut.push(written[:end]), *cut.flush()]
    if cut.calls:
        assert pieces[0] == (Part.CALL, "ls")
        assert arguments.startswith("".join(text for _, text in pieces[1:]))
    else:
        assert join(pieces) == said(opener + written[:end])


def test_one_call_is_enough_only_once_it_is_over() -> None:
    parser = CallParser(HERMES, NAMES, most=1)
    parser.push("<tool_call>")
    parser.guide()
    assert parser.push('\n{"name": "ls", "arguments": {"a"') == [(Part.CALL, "ls"), (Part.ARGUMENTS, '{"a"')]
    assert not parser.full
    assert parser.push(": 1}}\n</tool_call>") == [(Part.ARGUMENTS, ": 1}")]
    assert parser.full
