"""What is asked of a provider, and what it answers: SPEC.md, "Inference exchange"."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance import dcbor, framing
from conformance.data import limit
from conformance.judge.answered import (
    DEADLINE,
    Answers,
    counts_the_prompt,
    decides_before_the_deadline,
    lives_on,
    repeats_itself,
    says_how_long_a_prompt_may_be,
    stops_where_it_has_to,
    takes_no_request,
    takes_the_likeliest,
    waits_for_the_request,
)
from conformance.judge.expect import All, Completes, Refuses, Shows
from conformance.script.answering import another, answer, asking, ended, held
from conformance.script.asking import PROMPT, Asking
from conformance.script.contents import CONTENTS
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("inference")
_TWIN = "accept-chat"
_MILLION = 1_000_000


@FAMILY.case(
    _TWIN,
    requirements=("INF-027~1", "INF-012~1", "INF-009~1", "INF-011~1", "STM-002~1", "STM-003~1"),
    expect=Completes(),
    tier="smoke",
)
async def accept_chat(session: Session) -> None:
    """One question is asked honestly: ACCEPT, text, a signed END, and the suite agrees.

    Most refusals of this family and its neighbours have this case as their honest twin.
    """
    await answer(await asking(session))


@FAMILY.case("accept-every-role", requirements=("INF-004~1", "INF-027~1"), expect=Answers(), twin=_TWIN)
async def accept_every_role(session: Session) -> None:
    """A conversation with a system's instruction, two questions, and the model's own answer between them."""
    request = await asking(session)
    turns = [(1, "You are a lighthouse keeper."), (2, "Hello."), (3, "Good evening."), (2, PROMPT)]
    await answer(request, request.content() | {2: [{0: role, 1: text} for role, text in turns]})


@FAMILY.case("accept-empty-message", requirements=("INF-004~1", "INF-027~1"), expect=Answers(), twin=_TWIN)
async def accept_empty_message(session: Session) -> None:
    """A message of no text is a message: a rule that says *from 0 bytes* means it."""
    request = await asking(session)
    await answer(request, request.content(prompt=""))


@FAMILY.case("accept-unicode", requirements=("INF-004~1", "INF-027~1"), expect=Answers(), twin=_TWIN)
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


@FAMILY.case("accept-least-parameters", requirements=("INF-004~1", "INF-006~1"), expect=Answers(), twin=_TWIN)
async def accept_least_parameters(session: Session) -> None:
    """Every sampling parameter at its least: applied, or refused with UNSUPPORTED, and never dropped as malformed."""
    request = await asking(session)
    least = request.content(max_tokens=2, k5=["\x7f"], k6=0, k7=1, k8=0, k9=0, k10=-2 * _MILLION, k11=-2 * _MILLION)
    await answer(request, least | {12: 0})


@FAMILY.case("accept-most-parameters", requirements=("INF-004~1", "INF-006~1"), expect=Answers(), twin=_TWIN)
async def accept_most_parameters(session: Session) -> None:
    """Every sampling parameter at its most, and four stop sequences of 256 bytes."""
    request = await asking(session)
    stops = [character * (256 // len(character.encode())) for character in "\x01q€🌊"]
    most = request.content(k5=stops, k6=2 * _MILLION, k7=_MILLION, k8=limit("MAX_TOKENS"), k9=_MILLION)
    await answer(request, most | {10: 2 * _MILLION, 11: 2 * _MILLION, 12: 2**64 - 1})


@FAMILY.case("ignore-odd-keys-of-content", requirements=("EXT-006~1", "INF-004~1"), expect=Answers(), twin=_TWIN)
async def ignore_odd_keys_of_content(session: Session) -> None:
    """Unknown odd keys in the content and in a message are ignored with their values, and the commitment holds."""
    request = await asking(session)
    reserved = session.entropy.reserved()
    message = {0: 2, 1: PROMPT, reserved: [None, {0: "nothing"}]}
    await answer(request, request.content() | {2: [message], reserved: True, 4241: b"\0"})


@FAMILY.case("accept-request-in-pieces", requirements=("INF-027~1", "FRM-007~1"), expect=Completes(), twin=_TWIN)
async def accept_request_in_pieces(session: Session) -> None:
    """REQUEST and the ticks behind it arrive byte by byte: a frame is what its length says, not what a packet holds."""
    request = await asking(session)
    draft = request.compose()
    request.stream = request.side.open_stream()
    await _in_pieces(request, framing.write_frame(framing.REQUEST, draft.body))
    await request.accept()
    tick = {0: len(request.links) - 1, 1: request.links[-1]}
    if request.due > request.k:
        tick = {0: request.due, 1: request.links[request.due]}
        request.k = request.due
        await _in_pieces(request, framing.write_frame(framing.TICK, dcbor.encode(tick)))
    await request.finish()


async def _in_pieces(request: Asking, data: bytes) -> None:
    for position in range(len(data)):
        request.side.link.write(request.stream, data[position : position + 1])
        await asyncio.sleep(0)


# What a prompt counts, and whom an answer is of


@FAMILY.case(
    "count-same-prompt-alike",
    requirements=("INF-007~1",),
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


# Parameters are applied


async def _stops(session: Session, *choose: Any) -> None:
    """Ask at temperature 0, and again with stop sequences that are chosen from the chunks of the first answer."""
    first = await asking(session)
    await answer(first, first.content(max_tokens=16))
    texts = [text for text, _ in first.chunks if text]
    for chosen in choose:
        request = another(first.side)
        stops = [each for each in chosen(texts) if each]
        if not stops:
            raise session.untestable("the answer is too short for a stop sequence", "offer a model that talks on")
        await answer(request, request.content(max_tokens=16, k5=stops))


def _expect_stops(count: int) -> All:
    return All((Answers(count=count), Shows("the answer ends before its stop sequence", stops_where_it_has_to)))


@FAMILY.case("stop-at-sequence", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_sequence(session: Session) -> None:
    """A stop sequence inside a piece of text that the model says anyway: the answer ends right before it."""
    await _stops(session, lambda texts: [text.strip() or text for text in texts[3:4]])


@FAMILY.case("stop-at-beginning-of-chunk", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_beginning_of_chunk(session: Session) -> None:
    """The stop sequence is two whole chunks of the first answer: it begins and ends where a chunk does."""
    await _stops(session, lambda texts: ["".join(texts[4:6])])


@FAMILY.case("stop-across-chunks", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(3), twin=_TWIN)
async def stop_across_chunks(session: Session) -> None:
    """The stop sequence is the end of one chunk and the beginning of the next, then half of five chunks.

    Whoever compares it with single tokens never finds it, and whoever compares it with all text so far has already
    sent its beginning.
    """
    await _stops(
        session,
        lambda texts: [texts[2][-1:] + texts[3][:1]] if len(texts) > 3 else [],
        lambda texts: ["".join(texts[2:7])[1:-1]],
    )


@FAMILY.case("stop-at-first-of-several", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_first_of_several(session: Session) -> None:
    """Four stop sequences, of which one never comes: the first that begins in the answer ends it."""
    await _stops(session, lambda texts: ["".join(texts[9:11]), "\x01never", "".join(texts[6:8]), "".join(texts[8:10])])


@FAMILY.case("release-unfinished-stop", requirements=("INF-006~1", "INF-009~1"), expect=_expect_stops(2), twin=_TWIN)
async def release_unfinished_stop(session: Session) -> None:
    """A stop sequence begins in the answer and does not go on: what was held back comes after all, and all of it."""
    await _stops(session, lambda texts: ["".join(texts[2:5]) + "\x01", "".join(texts)[-3:] + "\x01"])


async def _restricted(session: Session, **parameters: int) -> None:
    """Twice at temperature 0, and twice at the highest with parameters that leave the likeliest token alone."""
    side = await Initiator.connected(session)
    for seed, extra in enumerate(({}, {"k6": 2 * _MILLION, **parameters}) * 2):
        request = another(side)
        await answer(request, request.content(max_tokens=6, k12=seed) | _keyed(extra))


def _keyed(parameters: dict[str, int]) -> dict[int, Any]:
    return {int(key[1:]): value for key, value in parameters.items()}


def _applies(slug: str, page: str, **parameters: int) -> None:
    async def script(session: Session) -> None:
        await _restricted(session, **parameters)

    FAMILY.add(
        f"apply-{slug}",
        page=f"{page} So at the highest temperature the answer is still one of temperature 0. A parameter that is lost "
        "on the way gives the answer to another question; one that is not applied has to be refused with UNSUPPORTED.",
        requirements=("INF-006~1",),
        script=script,
        expect=All((Answers(count=4), Shows("only the likeliest tokens are taken", takes_the_likeliest))),
        twin=_TWIN,
    )


_applies("top-p", "A top_p of one millionth leaves the likeliest token alone.", k7=1)
_applies("top-k", "A top_k of 1 leaves the likeliest token alone.", k8=1)
_applies("min-p", "A min_p of one leaves only tokens that are as probable as the likeliest.", k9=_MILLION)


@FAMILY.case(
    "repeat-answer-of-same-seed",
    requirements=("INF-006~1",),
    expect=All((Answers(count=2), Shows("the same seed gives the same answer", repeats_itself))),
    twin=_TWIN,
)
async def repeat_answer_of_same_seed(session: Session) -> None:
    """The same question with the same seed at temperature 1 is meant to give the same answer: else a warning."""
    side = await Initiator.connected(session)
    for _ in range(2):
        request = another(side)
        await answer(request, request.content(max_tokens=6, k12=4242) | {6: _MILLION})


# Time


@FAMILY.case("end-at-deadline", requirements=("INF-013~1", "INF-011~1"), expect=Answers(), twin=_TWIN)
async def end_at_deadline(session: Session) -> None:
    """A long answer with a second and a half to live, paid as it comes: it is over by then, with DEADLINE or sooner."""
    request = await asking(session)
    await answer(request, request.content(max_tokens=400) | {4: 1500})


@FAMILY.case(
    "end-unpaid-answer-at-deadline",
    requirements=("INF-013~1",),
    expect=Answers(finish=frozenset({DEADLINE})),
    twin=_TWIN,
    tier="full",
    seconds=20,
)
async def end_unpaid_answer_at_deadline(session: Session) -> None:
    """The deadline passes while the answer waits for a tick: the wait for payment does not outlive it."""
    request = await asking(session)
    await held(request, k4=20_000)
    await ended(request, within=25)


@FAMILY.case(
    "give-up-unpaid-prompt-at-deadline",
    requirements=("INF-013~1", "RCP-034~1"),
    expect=Refuses("DEADLINE_EXCEEDED", stage="answer"),
    fault=Fault.PROMPT_NOT_PAID,
    twin=_TWIN,
    tier="full",
    seconds=4,
)
async def give_up_unpaid_prompt_at_deadline(session: Session) -> None:
    """The prompt costs more than was prepaid and the window covers, and no tick comes.

    At the deadline an END would bill what the consumer never has to agree to, so ERROR with DEADLINE_EXCEEDED comes.
    """
    request = await asking(session)
    quote = request.quote
    covered = (quote.prepaid_ticks + quote.window) * quote.tick_value
    words = covered // max(quote.price_in, 1) + 8
    if not quote.price_in or words > quote.context_length // 3:
        raise session.untestable("a prompt is covered by the window", "offer a model with a smaller window or tick")
    content = request.content(prompt=" ".join("sea" for _ in range(words))) | {4: 4000}
    request.send(request.compose(content), fault=Fault.PROMPT_NOT_PAID)
    if quote.owed(await request.accept(), 0) <= covered:
        raise session.untestable("the prompt has fewer tokens than words", "offer a model with a common tokenizer")
    await ended(request)
    await request.side.probe()


@FAMILY.case(
    "decide-before-deadline",
    requirements=("INF-022~1", "INF-013~1"),
    expect=Shows("the request is refused or ends once its deadline passed", decides_before_the_deadline),
    twin=_TWIN,
)
async def decide_before_deadline(session: Session) -> None:
    """A request that has a millisecond: DEADLINE_EXCEEDED before ACCEPT, or behind it an END with DEADLINE.

    What may not come is an ACCEPT when nobody waits any more.
    """
    request = await asking(session)
    request.ask(request.content(max_tokens=400, prompt=PROMPT * 8) | {4: 1})
    await request.finish()


@FAMILY.case(
    "refuse-unfinished-request",
    requirements=("INF-024~1",),
    expect=All((Refuses("TIMEOUT"), Shows("after 30 seconds", waits_for_the_request))),
    fault=Fault.REQUEST_UNFINISHED,
    twin=_TWIN,
    tier="full",
    seconds=32,
)
async def refuse_unfinished_request(session: Session) -> None:
    """Half a REQUEST, and then nothing: the provider waits for 30 seconds from the first byte, and no longer."""
    request = await asking(session)
    data = framing.write_frame(framing.REQUEST, request.compose().body)
    side, stream = request.side, request.side.open_stream()
    side.commits(Fault.REQUEST_UNFINISHED, stream)
    side.link.write(stream, data[: len(data) // 2])
    await side.frame(stream, "ERROR", within=limit("REQUEST_TIMEOUT") + 8)
    await side.probe()


@FAMILY.case(
    "ignore-request-without-end",
    requirements=("FRM-007~1", "STM-003~1"),
    expect=Shows("nothing is promised for a REQUEST that never was whole", takes_no_request),
    fault=Fault.REQUEST_ENDED_BEFORE_ITS_LAST_BYTE,
    twin=_TWIN,
)
async def ignore_request_without_end(session: Session) -> None:
    """The stream ends one byte before the REQUEST does: there was no request, and the connection lives on."""
    request = await asking(session)
    data = framing.write_frame(framing.REQUEST, request.compose().body)
    side, stream = request.side, request.side.open_stream()
    side.commits(Fault.REQUEST_ENDED_BEFORE_ITS_LAST_BYTE, stream)
    side.link.write(stream, data[:-1], fin=True)
    await side.probe()


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
    requirements=("INF-004~1", "INF-008~1"),
    expect=Shows("the request is accepted or too long for the model", lives_on),
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


# What a content may not be


async def _ask_with_fault(session: Session) -> None:
    """One request with the faulty content, and a sign of life behind its refusal."""
    request = await asking(session)
    request.send(request.compose(edits=CONTENTS[session.fault]), fault=session.fault)
    await request.finish()
    await request.side.probe()


def _refuse(slug: str, fault: Fault, requirement: str, page: str, *, code: str = "MALFORMED", **more: Any) -> None:
    FAMILY.add(
        f"refuse-{slug}",
        page=page,
        requirements=(requirement, *more.get("also", ())),
        script=_ask_with_fault,
        expect=Refuses(code),
        fault=fault,
        twin=more.get("twin", _TWIN),
    )


_NO_ITEM = (
    ("empty-content", Fault.CONTENT_EMPTY, "The content has no bytes at all."),
    ("truncated-content", Fault.CONTENT_TRUNCATED, "The last byte of the content is missing, and its frame is whole."),
    ("trailing-content", Fault.CONTENT_TRAILING_BYTES, "One byte follows the item in the content."),
    ("content-not-shortest", Fault.CONTENT_NOT_SHORTEST, "The seed 0 takes two bytes where one is enough."),
    ("content-keys-descending", Fault.CONTENT_KEYS_DESCENDING, "The keys of the content descend."),
    ("content-key-twice", Fault.CONTENT_KEY_TWICE, "The temperature comes twice: two readers may take two of them."),
    ("content-text-key", Fault.CONTENT_TEXT_KEY, "A parameter has a name in place of a number."),
    ("content-nan", Fault.CONTENT_NAN, "A min_p that is not a number. NaN passes every comparison that guards it."),
    ("content-float", Fault.CONTENT_FLOAT, "A top_p of 0.9 as a float: parameters are integers in millionths."),
    ("content-tagged", Fault.CONTENT_TAGGED, "The seed is tagged."),
    ("content-indefinite", Fault.CONTENT_INDEFINITE, "The content is a map of indefinite length."),
    ("content-bad-utf8", Fault.CONTENT_BAD_UTF8, "A surrogate is in the value of a key that would be ignored."),
    ("content-too-deep", Fault.CONTENT_TOO_DEEP, "The value of a key that would be ignored is 17 containers deep."),
    (
        "content-of-too-many-items",
        Fault.CONTENT_TOO_MANY_ITEMS,
        "The value of a key that would be ignored has more than 65,536 elements: a bound holds for what is skipped.",
    ),
)
for _slug, _fault, _page in _NO_ITEM:
    _refuse(_slug, _fault, "INF-003~1", f"{_page} The request is refused, and the connection lives on.")

_NO_REQUEST = (
    ("content-of-no-map", Fault.CONTENT_NOT_A_MAP, "The content is an array."),
    ("content-without-operation", Fault.CONTENT_WITHOUT_OPERATION, "The content does not say what it asks for."),
    ("content-without-model", Fault.CONTENT_WITHOUT_MODEL, "The content names no model."),
    ("content-without-messages", Fault.CONTENT_WITHOUT_MESSAGES, "The content has no conversation."),
    ("content-without-max-tokens", Fault.CONTENT_WITHOUT_MAX_TOKENS, "The content sets no budget of tokens."),
    ("content-without-deadline", Fault.CONTENT_WITHOUT_DEADLINE, "The content sets no deadline."),
    ("operation-of-text", Fault.CONTENT_OPERATION_TEXT, "The operation is a name: no integer, so no operation."),
    ("empty-model", Fault.CONTENT_MODEL_EMPTY, "The model's id has no bytes."),
    ("long-model", Fault.CONTENT_MODEL_TOO_LONG, "The model's id has 129 bytes."),
    ("no-messages", Fault.CONTENT_MESSAGES_EMPTY, "The conversation has no message."),
    ("too-many-messages", Fault.CONTENT_MESSAGES_TOO_MANY, "The conversation has 1025 messages."),
    ("message-without-role", Fault.CONTENT_MESSAGE_WITHOUT_ROLE, "Nobody speaks the message."),
    ("message-without-content", Fault.CONTENT_MESSAGE_WITHOUT_CONTENT, "The message has a speaker and no text."),
    ("message-of-bytes", Fault.CONTENT_MESSAGE_BYTES, "The text of the message is a byte string."),
    ("role-0", Fault.CONTENT_ROLE_ZERO, "The speaker is 0, which is nobody."),
    ("role-4", Fault.CONTENT_ROLE_UNKNOWN, "The speaker is 4, one behind the registered ones."),
    ("max-tokens-0", Fault.CONTENT_MAX_TOKENS_ZERO, "An answer of no tokens is asked for."),
    ("max-tokens-too-many", Fault.CONTENT_MAX_TOKENS_TOO_MANY, "One token more than MAX_TOKENS is asked for."),
    ("max-tokens-true", Fault.CONTENT_MAX_TOKENS_TRUE, "max_tokens is true, which is 1 in some languages alone."),
    ("deadline-0", Fault.CONTENT_DEADLINE_ZERO, "A deadline of no time."),
    ("deadline-too-long", Fault.CONTENT_DEADLINE_TOO_LONG, "A deadline of an hour and a millisecond."),
    ("no-stop-sequences", Fault.CONTENT_STOP_EMPTY, "A list of stop sequences with nothing in it."),
    ("too-many-stop-sequences", Fault.CONTENT_STOP_TOO_MANY, "Five stop sequences."),
    ("empty-stop-sequence", Fault.CONTENT_STOP_SEQUENCE_EMPTY, "A stop sequence that is everywhere."),
    ("long-stop-sequence", Fault.CONTENT_STOP_SEQUENCE_TOO_LONG, "A stop sequence of 257 bytes."),
    ("temperature-null", Fault.CONTENT_TEMPERATURE_NULL, "A temperature of null: what is not set is left out."),
    ("temperature-too-low", Fault.CONTENT_TEMPERATURE_NEGATIVE, "A temperature below 0."),
    ("temperature-too-high", Fault.CONTENT_TEMPERATURE_TOO_HIGH, "A temperature a millionth above 2."),
    ("top-p-0", Fault.CONTENT_TOP_P_ZERO, "A top_p of 0, which no token reaches."),
    ("top-p-too-high", Fault.CONTENT_TOP_P_TOO_HIGH, "A top_p a millionth above 1."),
    ("top-k-too-low", Fault.CONTENT_TOP_K_NEGATIVE, "A top_k of -1, which means all elsewhere and nothing here."),
    ("top-k-too-high", Fault.CONTENT_TOP_K_TOO_HIGH, "A top_k above MAX_TOKENS."),
    ("min-p-too-low", Fault.CONTENT_MIN_P_NEGATIVE, "A min_p below 0."),
    ("min-p-too-high", Fault.CONTENT_MIN_P_TOO_HIGH, "A min_p a millionth above 1."),
    ("presence-penalty-too-low", Fault.CONTENT_PRESENCE_PENALTY_TOO_LOW, "A presence_penalty a millionth below -2."),
    ("presence-penalty-too-high", Fault.CONTENT_PRESENCE_PENALTY_TOO_HIGH, "A presence_penalty a millionth above 2."),
    ("frequency-penalty-too-low", Fault.CONTENT_FREQUENCY_PENALTY_TOO_LOW, "A frequency_penalty a millionth below -2."),
    (
        "frequency-penalty-too-high",
        Fault.CONTENT_FREQUENCY_PENALTY_TOO_HIGH,
        "A frequency_penalty a millionth above 2.",
    ),
    ("seed-negative", Fault.CONTENT_SEED_NEGATIVE, "A seed of -1, which means any elsewhere and nothing here."),
)
for _slug, _fault, _page in _NO_REQUEST:
    _refuse(_slug, _fault, "INF-004~1", f"{_page} The request is refused, and the connection lives on.")

_refuse(
    "unknown-parameter",
    Fault.CONTENT_UNKNOWN_EVEN_KEY,
    "INF-004~1",
    "A parameter that this version does not have, under an even key: whoever cannot apply it must not answer.",
    also=("EXT-001~1", "INF-006~1"),
)
_refuse(
    "unknown-key-of-message",
    Fault.CONTENT_MESSAGE_UNKNOWN_EVEN_KEY,
    "INF-004~1",
    "A message holds an unknown even key, as a later version would mark an image that has to be understood.",
    also=("EXT-001~1",),
)
for _slug, _fault, _page in (
    ("unknown-operation", Fault.CONTENT_OPERATION_UNKNOWN, "Operation 2 is not registered."),
    ("operation-0", Fault.CONTENT_OPERATION_ZERO, "Operation 0 is an integer, and no operation."),
    ("operation-negative", Fault.CONTENT_OPERATION_NEGATIVE, "Operation -1 is an integer, and no operation."),
    (
        "content-of-another-operation",
        Fault.CONTENT_OF_ANOTHER_OPERATION,
        "The content is that of an operation yet to come, and nothing else in it is known.",
    ),
):
    _refuse(
        _slug,
        _fault,
        "INF-005~1",
        f"{_page} The caller learns that it has to ask elsewhere, not that it made a mistake.",
        code="UNSUPPORTED",
    )
