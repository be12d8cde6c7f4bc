"""Credit, streams and waits of a provider: SPEC.md, "Flow control"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from conformance import framing
from conformance.data import limit
from conformance.judge.answered import Answers
from conformance.judge.answers_shown import fills_an_answer, fills_the_first_credit, gives_up_in_time
from conformance.judge.cancels_shown import bills_what_cancel_names
from conformance.judge.expect import All, Fails, Refuses, Shows
from conformance.script.answering import QUIET, asking, chunk, ended, held, running
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.session import Session
from conformance.wire.link import OverdueError

from . import streams, waits
from .registry import Family

FAMILY = Family("flow")
_CHAT = "inference/accept-chat"
_REPEAT = "Write the word international again and again, without end:" + 20 * " international"
_PATIENCE = 200.0
"""Seconds that the answer of one case may take."""


@FAMILY.case("accept-credit", requirements=("FLW-004~1", "FLW-005~1"), expect=Answers(), twin=_CHAT)
async def accept_credit(session: Session) -> None:
    """A CREDIT of the least step, and one of as much as may be outstanding: both are taken, and the answer ends well.

    The refusals of credit have this case as their honest twin.
    """
    request = await asking(session)
    await running(request)
    request.write(framing.CREDIT, {0: limit("INITIAL_CREDIT") + limit("MIN_CREDIT_STEP")})
    request.credit = request.received + limit("MAX_CREDIT")
    request.write(framing.CREDIT, {0: request.credit})
    await chunk(request)
    request.cancel()
    await ended(request)


def _credits(value: Callable[[Asking], int]) -> Callable[[Session], Awaitable[None]]:
    async def script(session: Session) -> None:
        request = await asking(session)
        await running(request)
        assert session.fault is not None  # of this family's table
        request.side.commits(session.fault)
        request.write(framing.CREDIT, {0: value(request)})
        await request.side.rest(within=3)

    return script


for _slug, _fault, _value, _requirement, _page in (
    (
        "credit-of-small-step",
        Fault.CREDIT_STEP_TOO_SMALL,
        lambda request: request.credit + limit("MIN_CREDIT_STEP") - 1,
        "FLW-004~1",
        "A CREDIT raises the limit by one byte less than the least step: credit of single bytes is a flood.",
    ),
    (
        "repeated-credit",
        Fault.CREDIT_REPEATED,
        lambda request: request.credit,
        "FLW-004~1",
        "A CREDIT of the limit that holds already.",
    ),
    (
        "lowered-credit",
        Fault.CREDIT_LOWERED,
        lambda _: 0,
        "FLW-004~1",
        "A CREDIT takes back what was granted.",
    ),
    (
        "credit-too-far",
        Fault.CREDIT_TOO_FAR,
        lambda _: limit("INITIAL_CREDIT") + limit("MAX_CREDIT") + 1,
        "FLW-005~1",
        "A CREDIT grants more than may be outstanding, whatever has been sent of the first 65,536 bytes.",
    ),
    (
        "credit-without-bound",
        Fault.CREDIT_WITHOUT_BOUND,
        lambda _: limit("MAX_AMOUNT"),
        "FLW-005~1",
        "A CREDIT of 2^53 - 1 bytes, which is to say: no flow control.",
    ),
):
    FAMILY.add(
        f"reject-{_slug}",
        page=_page,
        requirements=(_requirement,),
        script=_credits(_value),
        expect=Fails("FLOW_CONTROL", "answer"),
        fault=_fault,
        twin="accept-credit",
    )


@FAMILY.case(
    "accept-credit-at-its-bound",
    requirements=("FLW-005~1",),
    expect=Shows("the answer goes on", bills_what_cancel_names),
    twin=_CHAT,
    tier="full",
    seconds=8,
    holds=True,
)
async def accept_credit_at_its_bound(session: Session) -> None:
    """The answer waits for a tick, so that both sides know its bytes: a CREDIT of MAX_CREDIT beyond them is good."""
    request = await asking(session)
    await held(request)
    request.write(framing.CREDIT, {0: request.received + limit("MAX_CREDIT")})
    request.pay()
    await chunk(request)
    request.cancel()
    await ended(request)


@FAMILY.case(
    "reject-credit-one-byte-too-far",
    requirements=("FLW-005~1",),
    expect=Fails("FLOW_CONTROL", "answer"),
    fault=Fault.CREDIT_ONE_BYTE_TOO_FAR,
    twin="accept-credit-at-its-bound",
    tier="full",
    seconds=8,
    holds=True,
)
async def reject_credit_one_byte_too_far(session: Session) -> None:
    """The answer waits for a tick, so that both sides know its bytes; a CREDIT goes one byte too far beyond them."""
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.CREDIT_ONE_BYTE_TOO_FAR)
    request.write(framing.CREDIT, {0: request.received + limit("MAX_CREDIT") + 1})
    await request.side.rest(within=3)


async def _spent(request: Asking) -> None:
    """Read a long answer that is paid, without a word of credit, until none of the credit is left to be used.

    The least frequency_penalty makes any model say the same long word again and again, and never end.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    tokens = request.quote.context_length
    request.ask(request.content(max_tokens=tokens, prompt=_REPEAT, k11=-2_000_000) | {4: 600_000})
    await request.accept()
    request.pay()
    while request.received <= limit("INITIAL_CREDIT") - limit("MAX_CHUNK"):
        await chunk(request)
        request.pay()
        if loop.time() - began > _PATIENCE:
            raise request.side.session.untestable(
                "the model is slow", "offer a faster model, or let it do nothing else"
            )
    with suppress(OverdueError):
        while True:
            await chunk(request, within=QUIET)
            request.pay()


@FAMILY.case(
    "hold-at-initial-credit",
    requirements=("FLW-001~1", "FLW-002~1"),
    expect=All(
        (
            Shows("all of the first credit is used", fills_the_first_credit),
            Shows("the answer can be cancelled afterwards", bills_what_cancel_names),
        )
    ),
    twin=_CHAT,
    tier="full",
    seconds=240,
    holds=True,
)
async def hold_at_initial_credit(session: Session) -> None:
    """An answer of more than 65,536 bytes of CHUNK frames that is paid and not credited: there the provider waits.

    It does not wait sooner, and CREDIT lets it go on.
    """
    request = await asking(session)
    await _spent(request)
    for _ in range(8):
        request.give_credit()
        await chunk(request)
        request.pay()
    request.cancel()
    await ended(request)


@FAMILY.case(
    "give-up-answer-without-credit",
    requirements=("FLW-013~1", "FLW-002~1"),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.CREDIT_WITHHELD,
    twin="hold-at-initial-credit",
    tier="full",
    seconds=280,
    holds=True,
)
async def give_up_answer_without_credit(session: Session) -> None:
    """The first credit is used up, everything is paid, and no CREDIT comes: after 30 seconds the provider gives up."""
    request = await asking(session)
    await _spent(request)
    request.side.commits(Fault.CREDIT_WITHHELD, request.stream)
    await ended(request, within=limit("PAYMENT_TIMEOUT") + 8)
    await request.side.probe()


@FAMILY.case(
    "bound-an-answer",
    requirements=("FLW-014~1", "FLW-002~1"),
    expect=Shows("an answer ends at MAX_ANSWER", fills_an_answer),
    twin=_CHAT,
    tier="full",
    seconds=240,
    holds=True,
)
async def bound_an_answer(session: Session) -> None:
    """As many tokens as can be asked for, all paid and credited: at 16 MiB the answer ends with LENGTH.

    A model whose context cannot hold so much is cancelled after a few words, and the case does not apply to it.
    """
    request = await asking(session)
    began = asyncio.get_running_loop().time()
    request.ask(request.content(max_tokens=limit("MAX_TOKENS")) | {4: limit("MAX_DEADLINE_MS")})
    await request.accept()
    for _ in range(32):
        request.pay()
        request.give_credit()
        await chunk(request)
    if 2 * request.received * request.quote.context_length // request.tokens < limit("MAX_ANSWER"):
        request.cancel()
        await ended(request)
        return
    seconds = (asyncio.get_running_loop().time() - began) * limit("MAX_ANSWER") / request.received
    if seconds > _PATIENCE:
        raise session.untestable(f"16 MiB would take {seconds:.0f} seconds", "offer a faster model")
    await request.finish()


FAMILY.cases.extend((*waits.PART.cases, *streams.PART.cases))
