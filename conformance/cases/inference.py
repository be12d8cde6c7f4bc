"""What is asked of a provider, and what it answers: SPEC.md, "Inference exchange"."""

from __future__ import annotations

import asyncio

from conformance import dcbor, framing
from conformance.data import limit
from conformance.judge.answered import Answers
from conformance.judge.answers_shown import (
    counts_the_prompt,
    is_accepted_or_too_long,
    says_how_long_a_prompt_may_be,
)
from conformance.judge.expect import All, Completes, Refuses, Shows
from conformance.script.answering import another, answer, asking, ended
from conformance.script.asking import PROMPT, Asking
from conformance.script.faults import Fault
from conformance.script.session import Session

from . import contents, deadlines, sampling, wishes
from .registry import Family

FAMILY = Family("inference")
_TWIN = "accept-chat"
_MILLION = 1_000_000


@FAMILY.case(
    _TWIN,
    requirements=("INF-027~2", "INF-012~1", "INF-009~1", "INF-011~1", "STM-002~1", "STM-003~2"),
    expect=Completes(),
    tier="smoke",
)
async def accept_chat(session: Session) -> None:
    """One question is asked honestly: ACCEPT, text, a signed END, and the suite agrees.

    Most refusals of this family and its neighbours have this case as their honest twin.
    """
    await answer(await asking(session))


@FAMILY.case("accept-every-role", requirements=("INF-004~2", "INF-027~2"), expect=Answers(), twin=_TWIN)
async def accept_every_role(session: Session) -> None:
    """A conversation with a system's instruction, two questions, and the model's own answer between them."""
    request = await asking(session)
    turns = [(1, "You are a lighthouse keeper."), (2, "Hello."), (3, "Good evening."), (2, PROMPT)]
    await answer(request, request.content() | {2: [{0: role, 1: text} for role, text in turns]})


@FAMILY.case("accept-empty-message", requirements=("INF-004~2", "INF-027~2"), expect=Answers(), twin=_TWIN)
async def accept_empty_message(session: Session) -> None:
    """A message of no text is a message: a rule that says *from 0 bytes* means it."""
    request = await asking(session)
    await answer(request, request.content(prompt=""))


@FAMILY.case("accept-unicode", requirements=("INF-004~2", "INF-027~2"), expect=Answers(), twin=_TWIN)
async def accept_unicode(session: Session) -> None:
    """Text of all planes, combining characters, and a NUL: text is UTF-8, and nobody normalises or cuts it."""
    request = await asking(session)
    await answer(request, request.content(prompt="Grüße e\u0301 漢字 \u05e9\u05dc\u05d5\u05dd 🌊 \U0010fffd \0 end."))


@FAMILY.case("accept-one-token", requirements=("INF-012~1", "INF-011~1"), expect=Answers(), twin=_TWIN)
async def accept_one_token(session: Session) -> None:
    """The least budget: an answer of one token, which ends with LENGTH unless the model ended it with that token."""
    request = await asking(session)
    await answer(request, request.content(max_tokens=1))


@FAMILY.case("answer-within-max-tokens", requirements=("INF-012~1", "INF-011~1"), expect=Answers(), twin=_TWIN)
async def answer_within_max_tokens(session: Session) -> None:
    """A budget of five tokens for a long story: no more come, and LENGTH is only said where all five did.

    A system in the field took a budget of 5, delivered 60, and reported 0.
    """
    request = await asking(session)
    await answer(request, request.content(max_tokens=5))


@FAMILY.case("accept-least-parameters", requirements=("INF-004~2", "INF-006~1"), expect=Answers(), twin=_TWIN)
async def accept_least_parameters(session: Session) -> None:
    """Every sampling parameter at its least: applied, or refused with UNSUPPORTED, and never dropped as malformed."""
    request = await asking(session)
    least = request.content(max_tokens=2, k5=["\x7f"], k6=0, k7=1, k8=0, k9=0, k10=-2 * _MILLION, k11=-2 * _MILLION)
    await answer(request, least | {12: 0})


@FAMILY.case("accept-most-parameters", requirements=("INF-004~2", "INF-006~1"), expect=Answers(), twin=_TWIN)
async def accept_most_parameters(session: Session) -> None:
    """Every sampling parameter at its most, and four stop sequences of 256 bytes."""
    request = await asking(session)
    stops = [character * (256 // len(character.encode())) for character in "\x01q€🌊"]
    most = request.content(k5=stops, k6=2 * _MILLION, k7=_MILLION, k8=limit("MAX_TOKENS"), k9=_MILLION)
    await answer(request, most | {10: 2 * _MILLION, 11: 2 * _MILLION, 12: 2**64 - 1})


@FAMILY.case("ignore-odd-keys-of-content", requirements=("EXT-006~1", "INF-004~2"), expect=Answers(), twin=_TWIN)
async def ignore_odd_keys_of_content(session: Session) -> None:
    """Unknown odd keys in the content and in a message are ignored with their values, and the commitment holds."""
    request = await asking(session)
    reserved = session.entropy.reserved()
    message = {0: 2, 1: PROMPT, reserved: [None, {0: "nothing"}]}
    await answer(request, request.content() | {2: [message], reserved: True, 4241: b"\0"})


@FAMILY.case("accept-request-in-pieces", requirements=("INF-027~2", "FRM-007~1"), expect=Completes(), twin=_TWIN)
async def accept_request_in_pieces(session: Session) -> None:
    """REQUEST and the ticks behind it arrive byte by byte: a frame is what its length says, not what a packet holds."""
    request = await asking(session)
    draft = request.compose()
    request.stream = request.side.open_stream()
    await _in_pieces(request, framing.write_frame(framing.REQUEST, draft.body))
    await request.accept()
    if request.due > request.k:
        request.k = request.due
        tick = {0: request.k, 1: request.links[request.k]}
        await _in_pieces(request, framing.write_frame(framing.TICK, dcbor.encode(tick)))
    await request.finish()


async def _in_pieces(request: Asking, data: bytes) -> None:
    for position in range(len(data)):
        request.side.link.write(request.stream, data[position : position + 1])
        await asyncio.sleep(0)


# What a prompt counts, and whom an answer is of


@FAMILY.case(
    "count-same-prompt-alike",
    requirements=("INF-033~1", "INF-007~1"),
    expect=All((Answers(count=3), Shows("the same prompt has the same tokens", counts_the_prompt))),
    twin=_TWIN,
)
async def count_same_prompt_alike(session: Session) -> None:
    """One question is asked, then another, then the first again, on another connection.

    It has as many input tokens as before. A provider that carries a conversation over, by a cache that is shared or a
    session that is constant, lets one consumer read what another said, and bills it.
    """
    request = await asking(session)
    await answer(request, request.content(max_tokens=2, prompt="What is the sea?"))
    other = another(request.side)
    await answer(other, other.content(max_tokens=2, prompt="Remember the word heliotrope. " + PROMPT))
    again = await asking(session)
    await answer(again, again.content(max_tokens=2, prompt="What is the sea?"))


@FAMILY.case(
    "count-longer-prompt-higher",
    requirements=("INF-007~1",),
    expect=All((Answers(count=2), Shows("a longer prompt has more tokens", counts_the_prompt))),
    twin=_TWIN,
)
async def count_longer_prompt_higher(session: Session) -> None:
    """A prompt has more input tokens than its beginning, and never more than its bytes and its template allow."""
    request = await asking(session)
    await answer(request, request.content(max_tokens=1, prompt="Tell me."))
    longer = another(request.side)
    await answer(longer, longer.content(max_tokens=1, prompt="Tell me." + " The sea is wide, and the sky is high." * 8))


# What a prompt may be


@FAMILY.case(
    "refuse-prompt-beyond-context",
    requirements=("INF-008~1",),
    expect=All((Refuses("CONTEXT_TOO_LONG"), Shows("limit and actual", says_how_long_a_prompt_may_be))),
    fault=Fault.PROMPT_BEYOND_CONTEXT,
    twin=_TWIN,
)
async def refuse_prompt_beyond_context(session: Session) -> None:
    """A prompt with more tokens than the model's context: refused, with both numbers, and not cut or answered in words.

    ``limit`` is what leaves room for one token of an answer, ``actual`` what the prompt has.
    """
    request = await asking(session)
    words = request.quote.context_length
    if 4 * words > limit("MAX_REQUEST") - 4096:
        raise session.untestable("no REQUEST is longer than this context", "offer a model with a smaller context")
    content = request.content(prompt="sea " * words)
    ceiling = request.quote.owed(8 * words, 8)
    request.send(
        request.compose(content, ceiling=min(ceiling, limit("MAX_TICKS") * request.quote.tick_value)),
        fault=Fault.PROMPT_BEYOND_CONTEXT,
    )
    await request.finish()
    await request.side.probe()


@FAMILY.case(
    "accept-most-messages",
    requirements=("INF-004~2", "INF-008~1"),
    expect=Shows("the request is accepted or too long for the model", is_accepted_or_too_long),
    twin=_TWIN,
)
async def accept_most_messages(session: Session) -> None:
    """A conversation of 1024 empty messages has the right shape: it is accepted, or is too long for this model."""
    request = await asking(session)
    turns = [{0: 2 + number % 2, 1: ""} for number in range(limit("MAX_MESSAGES"))]
    request.ask(request.content(max_tokens=1) | {2: turns})
    first = await request.next()
    if first.kind == framing.ACCEPT:
        request.input_tokens = first.value[0]
        request.cancel()
        await ended(request)


FAMILY.cases.extend((*sampling.PART.cases, *deadlines.PART.cases, *contents.PART.cases, *wishes.PART.cases))
