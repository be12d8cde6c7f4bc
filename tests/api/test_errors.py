"""What cannot be served is an error: a status before the first event, an error event after it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import openai
import pytest

from mycellm_proto.content import ChatRequest, FinishReason
from mycellm_proto.errors import ErrorCode
from reference_node.api.errors import FAILED_REASONS, FINISH_REASONS, TABLE
from reference_node.generation import Delta, Event, GenerationError, Started

from .fakes import FakeNode, ends, raises

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .conftest import Served, Starter


def test_every_code_and_reason_has_an_answer() -> None:
    assert set(TABLE) == set(ErrorCode)
    assert set(FINISH_REASONS) | set(FAILED_REASONS) == set(FinishReason)
    assert not set(FINISH_REASONS) & set(FAILED_REASONS)
    for mapped in TABLE.values():
        assert 400 <= mapped.status < 600
        assert mapped.message.format(limit=1, actual=2).endswith(".")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_any_text_is_a_status(api: Served, stream: bool) -> None:
    for code in ErrorCode:
        for started in (False, True):
            api.play(raises(GenerationError(code), started=started))
            reply = await api.chat(stream=stream)
            assert reply.status == TABLE[code].status
            assert reply.error["code"] == TABLE[code].code


@pytest.mark.parametrize(("code", "status", "words"), [
    (ErrorCode.CONTEXT_TOO_LONG, 400, ["2048", "3000", "tokens"]),
    (ErrorCode.CEILING_TOO_LOW, 402, ["2048", "3000", "micro-credits", "--max-spend"]),
    (ErrorCode.ALLOWANCE_EXHAUSTED, 402, ["has 2048 for", "cost 3000", "micro-credits", "later", "serve that peer"]),
    (ErrorCode.INSUFFICIENT_CREDIT, 402, ["are 2048 for", "cost 3000", "micro-credits", "serve that peer"]),
])  # fmt: skip
async def test_the_numbers_are_said(api: Served, code: ErrorCode, status: int, words: list[str]) -> None:
    api.play(raises(GenerationError(code, limit=2048, actual=3000)))
    reply = await api.chat()
    assert reply.status == status
    assert all(word in reply.error["message"] for word in words)


@pytest.mark.parametrize(("code", "after", "header"), [
    (ErrorCode.BUSY, None, "1"),
    (ErrorCode.BUSY, 2.5, "3"),
    (ErrorCode.BUSY, 0.01, "1"),
    (ErrorCode.SHUTTING_DOWN, None, "5"),
])  # fmt: skip
async def test_who_should_come_again_is_told_when(
    api: Served, code: ErrorCode, after: float | None, header: str
) -> None:
    api.play(raises(GenerationError(code, retry_after=after), started=False))
    assert (await api.chat()).headers["retry-after"] == header


@pytest.mark.parametrize("error", [GenerationError(ErrorCode.TIMEOUT), RuntimeError("secret-canary")])
async def test_a_failure_in_a_stream_is_an_error_event_and_no_end(api: Served, error: Exception) -> None:
    api.play(raises(error, "half"))
    reply = await api.chat(stream=True)
    assert reply.status == 200
    assert "half" in reply.events[1]
    last = json.loads(reply.events[-1])
    assert set(last) == {"error"}
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in reply.events
    assert b"secret-canary" not in reply.body
    with pytest.raises(openai.APIError):
        async for _ in await api.sdk().chat.completions.create(
            model="fake-chat", messages=[{"role": "user", "content": "Hi"}], stream=True
        ):
            pass


@pytest.mark.parametrize("reason", FAILED_REASONS)
async def test_an_answer_that_is_not_whole_is_an_error(api: Served, reason: FinishReason) -> None:
    api.play(ends(reason, "half"))
    assert (await api.chat()).status == TABLE[FAILED_REASONS[reason]].status
    streamed = await api.chat(stream=True)
    assert json.loads(streamed.events[-1])["error"]["code"] == TABLE[FAILED_REASONS[reason]].code
    api.play(ends(reason))
    assert (await api.chat(stream=True)).status == TABLE[FAILED_REASONS[reason]].status


async def test_events_that_stop_without_an_end_are_an_error(api: Served) -> None:
    async def cut(_request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield Started(input_tokens=1)
        yield Delta(text="looks complete", tokens=1)

    api.play(cut)
    assert (await api.chat()).status == 500
    assert "error" in json.loads((await api.chat(stream=True)).events[-1])


async def test_while_the_model_starts_its_requests_are_told_so(start: Starter) -> None:
    api = await start(FakeNode(generators=[], is_ready=False, status="starting"))
    reply = await api.chat()
    assert (reply.status, reply.error["code"]) == (503, "model_starting")
    assert reply.headers["retry-after"] == "2"
    assert (await api.chat(model="other")).status == 404
    api.node.status = "failed"
    assert (await api.chat()).error["code"] == "model_failed"


async def test_an_unknown_model_is_404_with_the_known_ones(api: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await api.sdk().chat.completions.create(model="other-9", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.code == "model_not_found"
    assert "fake-chat" in str(caught.value)
