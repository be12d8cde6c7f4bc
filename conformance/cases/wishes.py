"""What a request can wish beyond words, applied or refused by its key: a part of the family inference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from conformance.answers import CAPABILITIES, COMPLETE, EMBED, answer_of
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.finish import LENGTH, STOP, TOOL_CALLS
from conformance.judge.answered import Answers, complete, event_of, fails, lives_on
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.script.answering import another, answer, asking
from conformance.script.asking import Asking
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

PART = Family("inference")
_TWIN = "accept-chat"
_SCHEMA = '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}'
_TOOLS: list[dict[int, Item]] = [{0: "add", 1: "Adds two numbers.", 2: '{"type":"object","properties":{}}'}]
_CALLED: list[dict[int, Item]] = [
    {0: 2, 1: "What is 2 and 2?"},
    {0: 3, 1: "", 2: [{0: "call_1", 1: "add", 2: '{"a":2,"b":2}'}]},
    {0: 4, 1: "4", 4: "call_1"},
]


def _names_the_key(record: Record) -> Iterator[Finding]:
    """Each request is answered to its end, or refused with UNSUPPORTED and a key that is in its content."""
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.request is None:
            continue  # the sign of life
        if exchange.error is not None and exchange.error.get(0) == error_code("UNSUPPORTED"):
            if exchange.error.get(3) not in exchange.content:
                yield fails("actual of UNSUPPORTED is no key of the content", "INF-041~1", exchange.error.event)
        elif exchange.end is None:
            yield Finding(verdict=Verdict.FAIL, message="neither an answer nor UNSUPPORTED came")


_WISHES: dict[str, dict[int, Item]] = {
    "repetition-penalty": {14: 1_100_000},
    "logit-bias": {16: [[5, -100_000_000]]},
    "logprobs": {18: 2},
    "tools": {20: _TOOLS},
    "parallel-tool-calls": {20: _TOOLS, 24: False},
    "response-format": {26: {}},
    "schema": {26: {0: _SCHEMA, 1: "pair"}},
    "reasoning-effort": {28: 2},
    "results-of-tools": {2: _CALLED, 20: _TOOLS},
    "names-of-speakers": {2: [{0: 2, 1: "Who am I?", 6: "Alice"}]},
    "reasoning-of-before": {2: [{0: 2, 1: "Hi"}, {0: 3, 1: "Hello", 8: "A greeting."}, {0: 2, 1: "Again?"}]},
}


def _wish(slug: str, wish: dict[int, Item]) -> None:
    async def script(session: Session) -> None:
        request = await asking(session)
        request.ask(request.content(max_tokens=16) | wish)
        await request.finish()
        await request.side.probe()

    PART.add(
        f"apply-or-name-{slug}",
        page=f"A request with {slug.replace('-', ' ')}: it is answered, or refused with UNSUPPORTED and the key that "
        "is not applied, so that the user learns which one it was.",
        requirements=("INF-041~1", "INF-006~1"),
        script=script,
        expect=Shows("the request is answered, or the key that is not applied is named", _names_the_key),
        twin=_TWIN,
    )


for _slug, _wished in _WISHES.items():
    _wish(_slug, _wished)


def _each(check: Callable[[Exchange], str | None], requirement: str) -> Callable[[Record], Iterator[Finding]]:
    def predicate(record: Record) -> Iterator[Finding]:
        for exchange in complete(record):
            if (wrong := check(exchange)) is not None:
                yield fails(wrong, requirement, event_of(exchange))

    return predicate


def _whole(exchange: Exchange) -> dict[int, Any]:
    return answer_of(exchange.billed, exchange.close.get(7, 0))


def _calls(exchange: Exchange) -> str | None:
    whole = _whole(exchange)
    finish = exchange.close.get(7)
    if finish == LENGTH and not whole[0] and whole[2]:
        return None  # it thought, or called, for too long
    return None if whole.get(4) and finish == TOOL_CALLS else "a call was required, and none came"


def _is_json(exchange: Exchange) -> str | None:
    whole = _whole(exchange)
    text = whole[0].lstrip()
    if exchange.close.get(7) != STOP and whole[2]:
        return "the answer begins like no JSON object" if text and text[0] != "{" else None
    try:
        value = json.loads(text)
    except ValueError:
        return "the answer is no JSON"
    return None if isinstance(value, dict) else "the answer is no JSON object"


def _has_logprobs(exchange: Exchange) -> str | None:
    whole = _whole(exchange)
    if not whole[0]:
        return None if whole[2] else "nothing was said"
    told = whole.get(5, [])
    said = b"".join(token for token, _, _ in told)
    return None if said == whole[0].encode() else "the tokens of logprobs are not those of the answer"


def _applies(slug: str, page: str, wish: dict[int, Item], what: str, check: Callable[[Exchange], str | None]) -> None:
    async def script(session: Session) -> None:
        request = await asking(session)
        await answer(request, request.content(max_tokens=64) | wish)

    PART.add(
        f"apply-{slug}",
        page=page,
        requirements=("INF-006~1",),
        script=script,
        expect=All((Answers(), Shows(what, _each(check, "INF-006~1")))),
        twin=_TWIN,
    )


_applies(
    "required-tool",
    "A call is required: an answer that makes none is one to another question.",
    {20: _TOOLS, 22: 2},
    "a tool is called",
    _calls,
)
_applies(
    "chosen-tool",
    "One of two tools is chosen by its name, and has to be called.",
    {20: [{0: "subtract"}, *_TOOLS], 22: "add"},
    "the chosen tool is called",
    _calls,
)
_applies("json-object", "The answer has to be a JSON object.", {26: {}}, "the answer is a JSON object", _is_json)
_applies(
    "logprobs",
    "The tokens of an answer come with their probabilities, and together they are its text.",
    {18: 3},
    "every token has its probability",
    _has_logprobs,
)


def _other(request: Asking, operation: int, **changes: Item) -> dict[int, Item]:
    """An honest content of another operation than CHAT. Raises `UntestableError` where the target has it not."""
    if CAPABILITIES[operation] not in request.side.capabilities:
        raise request.side.session.not_applicable("the target does not declare the operation's capability")
    base: dict[int, Item] = {0: operation, 1: request.quote.model, 4: 60_000}
    mine = {2: "Once upon a time", 3: 8, 6: 0} if operation == COMPLETE else {2: ["red", "green"]}
    return base | mine | {int(key[1:]): value for key, value in changes.items()}


@PART.case("accept-completion", requirements=("INF-004~2", "INF-012~1", "INF-009~1"), expect=Answers(), twin=_TWIN)
async def accept_completion(session: Session) -> None:
    """A text is continued, without any template: of text first, then of nothing that would be a conversation."""
    request = await asking(session)
    await answer(request, _other(request, COMPLETE))


@PART.case("accept-embedding", requirements=("INF-004~2", "RCP-013~2", "INF-043~1"), expect=Answers(), twin=_TWIN)
async def accept_embedding(session: Session) -> None:
    """Two texts become two vectors of one length; nothing but the input is billed."""
    request = await asking(session)
    await answer(request, _other(request, EMBED))


def _says_how_long_an_input_may_be(record: Record) -> Iterator[Finding]:
    for exchange in exchanges(record):
        quote, error = exchange.quote, exchange.error
        if error is None or quote is None:
            if exchange.content.get(0) == EMBED:
                yield fails("an input that the context does not hold was taken", "INF-042~1", -1)
        elif error.get(0) == error_code("CONTEXT_TOO_LONG"):
            longest = error.get(3)
            if not isinstance(longest, int) or longest <= (error.get(2) or 0):
                yield fails(f"actual is {longest}, and limit {error.get(2)}", "INF-042~1", error.event)
        elif error.get(0) != error_code("UNSUPPORTED"):
            yield fails("the input was refused for another reason than its length", "INF-042~1", error.event)


@PART.case(
    "refuse-long-input",
    requirements=("INF-042~1",),
    expect=Shows("the request is refused with CONTEXT_TOO_LONG and its numbers", _says_how_long_an_input_may_be),
    twin=_TWIN,
)
async def refuse_long_input(session: Session) -> None:
    """One of two inputs is longer than the context, though the context would hold each word of it."""
    side = await Initiator.connected(session)
    request = another(side)
    text = "word " * request.quote.context_length
    if len(text) > 900_000:
        raise session.untestable("no REQUEST holds such an input", "offer a model with a shorter context")
    request.ask(_other(request, EMBED, k2=["red", text]))
    await request.finish()


def _refused(record: Record) -> Iterator[Finding]:
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.error is None or exchange.error.get(0) != error_code("UNSUPPORTED"):
            yield fails("a request whose capability was not agreed was not refused", "VER-004~1", -1)


@PART.case(
    "refuse-operation-without-capability",
    requirements=("VER-004~1",),
    expect=Shows("each is refused with UNSUPPORTED", _refused),
    twin=_TWIN,
)
async def refuse_operation_without_capability(session: Session) -> None:
    """The connection agreed on CHAT alone; a completion and an embedding are asked for all the same."""
    side = await Initiator.connected(session, capabilities=(1,))
    for operation, key in ((COMPLETE, "Once upon a time"), (EMBED, ["red"])):
        request = another(side)
        content: dict[int, Item] = {0: operation, 1: request.quote.model, 2: key, 4: 60_000}
        request.ask(content | ({3: 8} if operation == COMPLETE else {}))
        await request.finish()
