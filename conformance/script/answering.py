"""Steps of cases about answers: ask the first model that is offered, and make an answer wait for payment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from conformance import framing
from conformance.wire.link import DEADLINE, OverdueError

from .asking import Asking
from .initiator import Frame, Initiator, UnreadableError

if TYPE_CHECKING:
    from conformance.dcbor import Item

    from .session import Session

QUIET = 10.0
"""Seconds without a CHUNK after which an answer that is not paid is taken to wait."""
_MOST = 2000
"""Tokens that a model of any size says in reasonable time."""


async def asking(session: Session) -> Asking:
    """A connection, and a request to be made on it, of the first model that the target offers."""
    return another(await Initiator.connected(session))


def another(side: Initiator) -> Asking:
    """One more request on a connection."""
    if not side.quotes:
        raise side.session.untestable("the target offers no model", "offer a model to the suite's node")
    return Asking(side, side.quotes[0])


async def answer(request: Asking, content: dict[int, Item] | None = None, **options: Any) -> str:
    """Ask honestly, to the end; the text of the answer."""
    request.ask(content, **options)
    await request.finish()
    return "".join(text for text, _ in request.chunks)


def unpaid_tokens(request: Asking, input_tokens: int) -> int:
    """The output tokens after which an answer waits, where no more than the prompt is paid."""
    quote, session = request.quote, request.side.session
    if not quote.price_out:
        raise session.untestable("the answer costs nothing", "offer a model with a price for its answer")
    ticks = max(quote.prepaid_ticks, -(-quote.price_in * input_tokens // quote.tick_value))
    tokens = ((ticks + quote.window) * quote.tick_value - quote.price_in * input_tokens) // quote.price_out
    if tokens > _MOST:
        raise session.untestable(
            f"the quote lets {tokens} tokens be unpaid", f"offer a model whose window is at most {_MOST} tokens"
        )
    return tokens


async def held(request: Asking, **parameters: Item) -> None:
    """Ask, pay the prompt and nothing else, and read until the answer waits for a tick.

    Then nothing is on its way: what the suite does next crosses no frame of the target's.
    """
    content = request.content(max_tokens=unpaid_tokens(request, 0) + 64, **{"k4": 300_000, **parameters})
    request.ask(content)
    await request.accept()
    request.pay()
    most = unpaid_tokens(request, request.input_tokens or 0)
    with suppress(OverdueError):  # the next CHUNK has several tokens, and fits no more
        while request.tokens < most:
            await chunk(request, within=QUIET)
    if not request.tokens:
        raise request.side.session.untestable("the model is busy", "let the target do nothing else meanwhile")


async def running(request: Asking, chunks: int = 1) -> None:
    """Ask for a long answer, pay the prompt, and read the first chunks: the answer goes on, and nobody pays for it."""
    request.ask(request.content(max_tokens=256))
    await request.accept()
    request.pay()
    for _ in range(min(chunks, unpaid_tokens(request, request.input_tokens or 0))):
        await chunk(request)


async def chunk(request: Asking, within: float = DEADLINE) -> Frame:
    """The next CHUNK of an answer that must not end yet."""
    frame = await request.next(within)
    if frame.kind == framing.END:
        request.countersign()
        raise request.side.session.untestable("the model ended its answer early", TALK)
    if frame.kind != framing.CHUNK:
        raise UnreadableError("CHUNK was expected")
    return frame


async def ended(request: Asking, within: float = DEADLINE, *, agree: bool = True) -> Frame:
    """What ends the answer, after CHUNK frames that nobody pays for; an END is agreed to."""
    loop = asyncio.get_running_loop()
    due = loop.time() + within
    frame = await request.next(within)
    while frame.kind == framing.CHUNK:
        frame = await request.next(max(due - loop.time(), 0))
    if agree and frame.kind == framing.END and request.close is not None:
        request.countersign()
    return frame


TALK = "offer a model that talks on when it is asked for a long story"
"""How to have an answer that is long enough."""
