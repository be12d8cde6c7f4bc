"""Chat templates: the model's own, in a sandbox, and clear when they do not work."""

from __future__ import annotations

from typing import Any

import pytest

from mycellm_proto.content import ChatRequest, Message, Role
from mycellm_proto.errors import ErrorCode
from reference_node.engine import EngineError
from reference_node.engine.template import ChatTemplate
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
