"""Honest answers: paid while they flow, agreed on at their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from conformance.cases.initiator.common import ASKS
from conformance.data import limit
from conformance.finish import STOP
from conformance.judge.consumer import Agrees, Presents, each_request, last
from conformance.judge.exchange import Exchange
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Target

from .common import SETTLE, TWIN, begin, case


@case(
    TWIN, "INF-001~1", "RCP-006~1", "RCP-018~1", "RCP-046~1", "RCP-056~1", "RCP-057~1", "RCP-059~1",
    expect=All((Agrees(), Presents("whole"))), tier="smoke",
)  # fmt: skip
async def pay_and_agree(session: Session) -> None:
    """An honest answer of eight tokens is paid while it flows, and agreed on at its end.

    Every refusal of this family has this case as its honest twin.
    """
    request, serving = await begin(session)
    await serving.finish()
    await request.answer()


@case("agree-to-an-early-end", "RCP-046~1", expect=All((Agrees(), Presents("whole"))))
async def agree_to_an_early_end(session: Session) -> None:
    """The model ends its answer after three tokens of eight."""
    request, serving = await begin(session)
    await serving.finish(tokens=3)
    await request.answer()


@case("agree-to-nothing-said", "RCP-046~1", "RCP-018~1", expect=All((Agrees(), Presents("whole"))))
async def agree_to_nothing_said(session: Session) -> None:
    """The answer is its end-of-text token alone; the prompt is paid all the same, before END comes."""
    request, serving = await begin(session)
    serving.accept()
    await serving.paid()
    serving.chunk("", 1)
    await asyncio.sleep(SETTLE)
    serving.end(STOP)
    await serving.until_over()
    await request.answer()


@case("take-several-tokens-in-a-chunk", "RCP-018~1", expect=All((Agrees(), Presents("whole"))))
async def take_several_tokens_in_a_chunk(session: Session) -> None:
    """Four tokens come as one CHUNK, then their text in others that hold no token, with a heartbeat between."""
    request, serving = await begin(session)
    serving.accept()
    for _ in range(3):
        await serving.paid()
    serving.chunk("", 4)
    serving.chunk("one two ", 0)
    serving.chunk("", 0)
    serving.chunk("three four", 0)
    serving.end(STOP)
    await serving.until_over()
    await request.answer()


@case("pay-without-prepayment", "RCP-018~1", "RCP-057~1", expect=All((Agrees(), Presents("whole"))))
async def pay_without_prepayment(session: Session) -> None:
    """The quote asks for no prepaid ticks: what travels with the request is the anchor itself."""
    request, serving = await begin(session, quote={"k8": 0})
    await serving.finish()
    await request.answer()


def _gives_credit(record: Record) -> Iterator[Finding]:
    exchange = last(record)
    if exchange is not None and not exchange.credits:
        yield broken("half of the credit was used, and no CREDIT came", "FLW-011~1")


@case(
    "give-credit",
    "FLW-011~1",
    "FLW-012~1",
    expect=All((Agrees(), Presents("whole"), Shows("credit is given as it is used", _gives_credit))),
)
async def give_credit(session: Session) -> None:
    """An answer of 160 KiB: more than the initial credit, so that it only comes with the consumer's CREDIT."""
    request, serving = await begin(session, max_tokens=64)
    serving.accept()
    for number in range(20):
        while serving.credit - serving.sent < limit("MIN_CREDIT_STEP") * 2 + 64:
            await serving.take()
        await serving.paid()
        serving.chunk(f"{number:08d}" * 1024, 1)
    serving.end(STOP)
    await serving.until_over()
    await request.answer(within=5)


def _carries(exchange: Exchange) -> Iterator[Finding]:
    for name, (key, value) in _PARAMETERS.items():
        if exchange.content.get(key) != value:
            message = f"{name} was {value!r} for the user, and is {exchange.content.get(key)!r} on the wire"
            yield Finding(verdict=Verdict.FAIL, message=message)


_PARAMETERS: dict[str, tuple[int, Any]] = {
    "stop": (5, ["###", "end"]),
    "temperature": (6, 700_000),
    "top_p": (7, 900_000),
    "top_k": (8, 40),
    "min_p": (9, 50_000),
    "presence_penalty": (10, -250_000),
    "frequency_penalty": (11, 1_500_000),
    "seed": (12, 1234),
    "repetition_penalty": (14, 1_200_000),
    "logit_bias": (16, [[7, -1_000_000], [9, 500_000]]),
    "top_logprobs": (18, 2),
    "tools": (20, [{0: "add", 1: "Adds.", 2: '{"type":"object"}', 3: True}, {0: "clock"}]),
    "tool_choice": (22, "clock"),
    "parallel_tool_calls": (24, False),
    "response_format": (26, {0: '{"type":"object"}', 1: "answer", 3: False}),
    "reasoning_effort": (28, 4),
}
_GIVEN: dict[str, Any] = {
    "tools": [
        {"name": "add", "description": "Adds.", "parameters": '{"type":"object"}', "strict": True},
        {"name": "clock"},
    ],
    "response_format": {"schema": '{"type":"object"}', "name": "answer", "strict": False},
    "reasoning_effort": "HIGH",
}
"""What the user has set, where that is not what is on the wire."""


@case(
    "carry-every-parameter",
    "INF-002~1",
    expect=Shows("every parameter is in the content", each_request(_carries)),
    needs=ASKS | {f"ask.{name}" for name in _PARAMETERS},
)
async def carry_every_parameter(session: Session) -> None:
    """Whatever the user has set crosses to the provider, value by value: one that is lost changes the answer."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    parameters = {name: _GIVEN.get(name, value) for name, (_, value) in _PARAMETERS.items()}
    request = await target.ask(session.key.public, parameters=parameters)
    await (await Serving.next(side)).finish()
    await request.answer()
