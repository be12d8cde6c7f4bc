"""What an exchange is scripted with where payment is the matter: lengths by the quote, and faults by ticks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor, framing, signing
from conformance.dcbor import Item
from conformance.wire.link import DEADLINE, OverdueError

from .asking import HONEST, PROMPT, Asking, Edits
from .faults import Fault
from .initiator import Initiator, UnreadableError
from .opens import STRANGER
from .session import Session

_STOP = 1
_MOST_TOKENS = 2000
"""Tokens that a case waits for, at most."""
_PATIENT_MS = 300_000
"""A deadline behind all waits of a provider's, on a slow machine too."""
_MARGIN = 8
"""Tokens beyond what ticks pay for: one CHUNK may make several ticks due."""
_SLOW = 3.0
"""Seconds that a token takes at most; a provider that joins several in a CHUNK stalls before the window is used up."""
_STALL = 0.5
"""Seconds that a provider is watched for after that."""
_MILLION = 1_000_000_000_000
"""Micro-credits."""


async def asking(session: Session) -> Asking:
    """A new connection, and a request on it that is still to be made."""
    side = await Initiator.connected(session)
    return Asking(side, side.quote())


def priced(side: Initiator, price: int, what: str) -> int:
    """A price that is above zero. Raises `UntestableError` where it is zero."""
    if not price:
        raise side.session.untestable(f"the target's {what} cost nothing", f"quote a price for {what}")
    return price


def brief(one: Asking) -> dict[int, Item]:
    """Content whose answer is soon there, where only its end matters."""
    return one.content(max_tokens=2)


def talkative(one: Asking, ticks: int) -> dict[int, Item]:
    """Content whose answer costs more than the prepaid ticks and ``ticks`` more, whatever the prompt."""
    quote = one.quote
    owed = (quote.prepaid_ticks + ticks) * quote.tick_value
    tokens = owed // priced(one.side, quote.price_out, "output tokens") + _MARGIN
    if tokens > _MOST_TOKENS:
        lift = "quote a smaller window, fewer prepaid ticks or a smaller tick"
        raise one.side.session.untestable(f"the window is worth {tokens} tokens", lift)
    return one.content(max_tokens=tokens) | {4: _PATIENT_MS}


def costly(one: Asking, owed: int, *, max_tokens: int = 8) -> dict[int, Item]:
    """Content whose prompt costs about ``owed`` or more: a word costs at least a token."""
    words = owed // priced(one.side, one.quote.price_in, "input tokens") + 16
    if 2 * words > one.quote.context_length:
        lift = "quote a smaller window or fewer prepaid ticks"
        raise one.side.session.untestable(f"a prompt that costs {owed} leaves the model no room", lift)
    return one.content(max_tokens=max_tokens, prompt=" ".join([PROMPT] * (words // len(PROMPT.split()) + 1)))


async def streaming(session: Session, edits: Edits = HONEST) -> Asking:
    """A request that is accepted, and whose answer cannot end before two ticks more are paid for it."""
    one = await asking(session)
    one.ask(talkative(one, one.quote.window + 2), edits=edits)
    await one.accept()
    return one


async def chunk(one: Asking, within: float = DEADLINE) -> None:
    """The next CHUNK. Raises `UntestableError` where the model ends its answer instead."""
    frame = await one.next(within)
    must_not_stop(one)
    if frame.kind != framing.CHUNK:
        raise UnreadableError("CHUNK was expected")


def must_not_stop(one: Asking) -> None:
    """Raises `UntestableError` where the model ended its answer by itself, too early for the case."""
    if one.close is not None and one.close[7] == _STOP:
        raise one.side.session.untestable("the model ended its answer early", "offer a model that talks on")


async def until_due(one: Asking) -> None:
    """Read, and pay nothing, until a tick is due."""
    while one.due <= one.k:
        await chunk(one)


async def until_paid_for_text(one: Asking) -> None:
    """Read and pay, until a tick was released that the prompt alone did not make due."""
    quote = one.quote
    prompt = quote.ticks(quote.owed(one.input_tokens or 0, 0), one.ceiling)
    one.pay()
    while one.k <= prompt:
        await chunk(one)
        one.pay()


async def until_stalled(one: Asking) -> None:
    """Read, and pay nothing, until the window does not hold another token; and then a while more."""
    quote = one.quote
    covered = (one.k + quote.window) * quote.tick_value
    try:
        while quote.owed(one.input_tokens or 0, one.tokens + 1) <= covered:
            await chunk(one, _SLOW)
        while (await one.next(_STALL)).kind == framing.CHUNK:
            pass
    except OverdueError:
        return


async def refused(one: Asking, within: float = DEADLINE) -> None:
    """Read the ERROR of a request, end this side, and see whether the connection lives on.

    Text that was on its way before the ERROR is read over. Where the target accepts or bills instead, nothing more
    is done: the judge sees it. Raises `UntestableError` where the model ended its answer meanwhile.
    """
    frame = await one.last(within)
    must_not_stop(one)
    if frame.kind == framing.ERROR:
        one.settle(frame)
        await one.side.probe()


async def cancelled(one: Asking) -> None:
    """CANCEL, and agree to the bill. Raises `UntestableError` where the model ended its answer before."""
    one.cancel()
    frame = await one.last()
    must_not_stop(one)
    one.settle(frame)


async def completes(side: Initiator) -> None:
    """Ask honestly on the same connection, to the end."""
    one = Asking(side, side.quote())
    one.ask(brief(one))
    await one.finish()


TICKS: Mapping[Fault, Callable[[Asking], tuple[int, bytes]]] = {
    Fault.TICK_BEYOND_DUE: lambda one: (len(one.links) - 1, one.links[-1]),
    Fault.TICK_LINK_RANDOM: lambda one: (one.k + 1, bytes(range(32))),
    Fault.TICK_LINK_OF_TICK_BEFORE: lambda one: (one.k + 1, one.links[one.k]),
    Fault.TICK_LINK_TOO_FAR: lambda one: (one.k + 1, one.links[one.k + 2]),
    Fault.TICK_REPEATED: lambda one: (one.k, one.links[one.k]),
    Fault.TICK_LOWER: lambda one: (one.k - 1, one.links[one.k - 1]),
    Fault.TICK_ABOVE_CEILING: lambda one: (len(one.links) - 1, one.links[-1]),
}
"""k and link of the TICK that each fault sends."""

CANCELS: Mapping[Fault, Callable[[Asking], tuple[int, int, bytes]]] = {
    Fault.CANCEL_TICKS_BEYOND_CHUNKS: lambda one: (len(one.chunks), one.due + 1, one.links[one.due + 1]),
    Fault.CANCEL_FEWER_CHUNKS_THAN_PAID: lambda one: (0, one.k, one.links[one.k]),
    Fault.CANCEL_LINK_RANDOM: lambda one: (len(one.chunks), one.k, bytes(range(32))),
    Fault.CANCEL_TICKS_LOWER: lambda one: (len(one.chunks), one.k - 1, one.links[one.k - 1]),
}
"""chunks, k and link of the CANCEL that each fault sends."""


def agreement(one: Asking, fault: Fault) -> bytes:
    """The countersignature that a fault sends in place of the right one."""
    key, body = one.side.session.key, one.close_body
    if fault is Fault.COUNTERSIGN_BY_ANOTHER_KEY:
        return STRANGER.sign(signing.COUNTERSIGN, body)
    if fault is Fault.COUNTERSIGN_IN_CONTEXT_OF_CLOSE:
        return key.sign(signing.CLOSE, body)
    if fault is Fault.COUNTERSIGN_OF_ANOTHER_CLOSE:
        close = dcbor.decode(body)
        return key.sign(signing.COUNTERSIGN, dcbor.encode(close | {6: close[6] + 1}))
    right = one.agreement()
    return bytes((right[0] ^ 1,)) + right[1:]


def claim(side: Initiator) -> bytes:
    """An END whose close bills a million credits for nothing, signed by the one that would get them."""
    one = bytes(range(32))
    close = {0: one, 1: one, 2: one, 3: one, 4: 1, 5: 1, 6: _MILLION, 7: _STOP, 8: 0}
    return dcbor.encode({0: one, 1: side.session.key.signed(signing.CLOSE, close)})
