"""Chat templates: the model's own, in a sandbox, and clear when they do not work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mycellm_proto.content import ChatRequest, Message, ReasoningEffort, Role, Tool, ToolCall, ToolMode
from mycellm_proto.errors import ErrorCode
from reference_node.engine import EngineError
from reference_node.engine.template import ChatTemplate, short_id
from reference_node.generation import GenerationError

USER = Message(role=Role.USER, content="Hi <b>")
ASSISTANT = Message(role=Role.ASSISTANT, content="Yes?")


def chat(*messages: Message, **more: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages, max_tokens=1, deadline_ms=1, **more)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos_token="<s>", eos_token="</s>")


def test_what_templates_use() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}\n"
        "  {% if loop.index > 2 %}{% break %}{% endif %}\n"
        "[{{ m['role'] }}] {{ m.content | trim }}{{ eos_token }}\n"
        "{% endfor %}\n"
        "{% if add_generation_prompt %}[assistant]{% endif %}{{ {'a': '<é>'} | tojson }}"
    )
    text = template(source).render(chat(USER, ASSISTANT, USER))
    assert text == '<s>[user] Hi <b></s>\n[assistant] Yes?</s>\n[assistant]{"a": "<é>"}'


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ messages[0].nothing.more }}",
        "{{ 1 / 0 }}",
        "{{ raise_exception('never') }}",
        "{{ undefined_function() }}",
    ],
)
def test_a_template_that_does_not_work_is_refused_at_once(source: str) -> None:
    with pytest.raises(EngineError, match="chat template does not work"):
        template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ self._TemplateReference__context.parent['raise_exception'].__globals__ }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(EngineError):
        template(source)


def test_a_conversation_that_the_template_refuses_is_malformed() -> None:
    strict = template("{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}ok")
    assert strict.render(chat(USER)) == "ok"
    with pytest.raises(GenerationError) as caught:
        strict.render(chat(ASSISTANT))
    assert caught.value.code is ErrorCode.MALFORMED


WEATHER = Tool(name="get_weather", description="Weather", parameters='{"type": "object", "properties": {}}')
CALL = ToolCall(id="call-of-a-client-1", name="get_weather", arguments='{"a": 1}')
CALLED = Message(role=Role.ASSISTANT, content="", calls=(CALL,))
RESULT = Message(role=Role.TOOL, content="sunny", call_id="call-of-a-client-1")


def test_a_template_that_knows_tools_gets_them_as_it_expects() -> None:
    source = (
        "{% if tools is defined %}{{ tools | tojson }}{% endif %}|{% for m in messages %}[{{ m.role }}]{{ m.content }}"
        "{% for call in m.tool_calls %}{{ call.function.arguments.a }}{{ call.id }}{% endfor %}{{ m.tool_call_id }}"
        "{% endfor %}"
    )
    rendered = template(source).render(chat(USER, CALLED, RESULT, tools=(WEATHER,)))
    identifier = short_id("call-of-a-client-1")
    assert len(identifier) == 9
    assert identifier.isalnum()
    tools, _, talk = rendered.partition("|")
    assert json.loads(tools)[0]["function"]["name"] == "get_weather"
    assert talk == f"[user]Hi <b>[assistant]1{identifier}[tool]sunny{identifier}"
    assert template(source).render(chat(USER, tools=(WEATHER,), tool_choice=ToolMode.NONE)) == "|[user]Hi <b>"


def test_a_template_without_tools_is_told_of_them_in_words() -> None:
    source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    rendered = template(source).render(chat(USER, CALLED, RESULT, tools=(WEATHER,)))
    assert rendered.startswith("[system]You can call functions.")
    assert '"name": "get_weather"' in rendered
    assert "[user]Hi <b>[assistant]<tool_call>" in rendered
    assert rendered.endswith("[user]<tool_response>\nsunny\n</tool_response>")
    spoken = Message(role=Role.SYSTEM, content="Be brief.")
    assert template(source).render(chat(spoken, USER, tools=(WEATHER,))).startswith("[system]Be brief.\n\nYou can call")
    assert template(source).render(chat(spoken, USER)) == "[system]Be brief.[user]Hi <b>"


def test_a_template_hears_of_reasoning_and_names() -> None:
    source = "{{ enable_thinking }}{% for m in messages %}{{ m.reasoning_content }}{{ m.name }}{% endfor %}<think>"
    made = template(source)
    assert made.reasons
    thought = Message(role=Role.ASSISTANT, content="x", reasoning="hm")
    named = Message(role=Role.USER, content="x", name="Ann")
    assert made.render(chat(thought, named, reasoning_effort=ReasoningEffort.NONE)) == "FalsehmAnn<think>"
    assert made.render(chat(USER, reasoning_effort=ReasoningEffort.LOW)).startswith("True")
    assert not template("{{ messages[0].content }}").reasons
