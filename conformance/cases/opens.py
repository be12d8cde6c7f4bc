"""What a request is authorised with, against a provider: quotes, opens and prepaid ticks. SPEC.md, "Receipts"."""

from __future__ import annotations

from conformance.data import limit
from conformance.dcbor import Item
from conformance.finish import CEILING
from conformance.judge.expect import All, Completes, Expectation, Refuses, Shows
from conformance.judge.money import Bills, ByQuote, names_the_need
from conformance.offer import Quote
from conformance.script.asking import Asking, Edits
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.opens import OPENS
from conformance.script.payment import asking, costly, must_not_stop, priced, refused
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("opens")
_TWIN = "accept-open"
"""The finish reason."""


@FAMILY.case(_TWIN, requirements=("RCP-053~1", "RCP-054~1", "RCP-058~1", "NET-001~1"), expect=Completes(), tier="smoke")
async def accept_open(session: Session) -> None:
    """An open that names a quote of this connection, with a ceiling that is enough, is accepted and answered.

    The suite verifies each quote on the way: its shape, its provider, its signature, its network. Most refusals of this
    family have this case as their honest twin.
    """
    one = await asking(session)
    one.ask()
    await one.finish()


# Opens that are wrong in themselves


async def _ask_with_fault(session: Session) -> None:
    """Send a request that one edit makes faulty, read what comes, and see whether the connection lives on."""
    one = await asking(session)
    await _send_faulty(one, OPENS[session.fault])


async def _send_faulty(one: Asking, edits: Edits) -> None:
    one.send(one.compose(edits=edits), fault=one.side.session.fault)
    await refused(one)


def _refuse(slug: str, fault: Fault, code: str, *requirements: str, page: str) -> None:
    FAMILY.add(
        f"refuse-{slug}",
        page=page,
        requirements=requirements,
        script=_ask_with_fault,
        expect=Refuses(code),
        fault=fault,
        twin=_TWIN,
    )


_refuse(
    "ceiling-not-a-number",
    Fault.OPEN_CEILING_NAN,
    "MALFORMED",
    "ERR-006~1",
    "ENC-015~1",
    page="The ceiling is a float, NaN, which passes every comparison. The body is no item, and the request ends there.",
)
_refuse(
    "missing-key",
    Fault.OPEN_MISSING_KEY,
    "BAD_OPEN",
    "RCP-008~1",
    page="An open without an anchor: nothing could ever be paid by it.",
)
_refuse(
    "unknown-even-key",
    Fault.OPEN_UNKNOWN_EVEN_KEY,
    "BAD_OPEN",
    "RCP-008~1",
    "EXT-003~1",
    page="A signed map holds a key that this version does not have.",
)
_refuse(
    "unknown-odd-key",
    Fault.OPEN_UNKNOWN_ODD_KEY,
    "BAD_OPEN",
    "RCP-008~1",
    "EXT-003~1",
    page="In a signed map an unknown key is fatal even where it is odd: two readers would have signed two things.",
)
_refuse(
    "negative-ceiling",
    Fault.OPEN_CEILING_NEGATIVE,
    "BAD_OPEN",
    "RCP-008~1",
    page="A ceiling of -1, which a comparison with what is owed might let pass.",
)
_refuse(
    "ceiling-of-two-to-the-53",
    Fault.OPEN_CEILING_BEYOND_AMOUNT,
    "BAD_OPEN",
    "RCP-008~1",
    page="A ceiling of 2^53, the first amount that is not exact everywhere.",
)
_refuse(
    "sequence-zero",
    Fault.OPEN_SEQUENCE_ZERO,
    "BAD_OPEN",
    "RCP-008~1",
    page="Sequence numbers begin at 1.",
)
_refuse(
    "short-anchor",
    Fault.OPEN_SHORT_ANCHOR,
    "BAD_OPEN",
    "RCP-008~1",
    page="An anchor of 31 bytes.",
)
_refuse(
    "open-of-another-consumer",
    Fault.OPEN_OF_ANOTHER_CONSUMER,
    "BAD_OPEN",
    "RCP-009~1",
    page="The open is rightly signed, by a key that is not the peer's: somebody spends what another authorised.",
)
_refuse(
    "open-for-another-provider",
    Fault.OPEN_FOR_ANOTHER_PROVIDER,
    "BAD_OPEN",
    "RCP-009~1",
    page="The consumer authorised another provider.",
)
_refuse(
    "bad-signature",
    Fault.OPEN_SIGNATURE_FLIPPED,
    "BAD_OPEN",
    "RCP-010~1",
    page="One bit of the signature is another. What is served on such an open is owed by nobody.",
)
_refuse(
    "signature-plus-order",
    Fault.OPEN_SIGNATURE_PLUS_ORDER,
    "BAD_OPEN",
    "RCP-010~1",
    "KEY-002~1",
    page="S of the signature is larger by the order of the base point: lax libraries take it, strict verifiers do not.",
)
_refuse(
    "signature-of-another-key",
    Fault.OPEN_SIGNED_BY_ANOTHER_KEY,
    "BAD_OPEN",
    "RCP-010~1",
    page="The signature is valid, but not under the key that the open names as consumer.",
)
_refuse(
    "signature-of-another-context",
    Fault.OPEN_SIGNED_IN_ANOTHER_CONTEXT,
    "BAD_OPEN",
    "RCP-010~1",
    page="The consumer signed these bytes as a close, and never as an open.",
)
_refuse(
    "open-changed-after-signing",
    Fault.OPEN_CHANGED_AFTER_SIGNING,
    "BAD_OPEN",
    "RCP-010~1",
    page="The ceiling is one higher than what was signed.",
)
_refuse(
    "unknown-quote",
    Fault.OPEN_NAMES_UNKNOWN_QUOTE,
    "UNKNOWN_QUOTE",
    "RCP-004~1",
    page="The open names a quote that the provider never made: a price of the consumer's own.",
)
_refuse(
    "another-network",
    Fault.OPEN_OF_ANOTHER_NETWORK,
    "BAD_OPEN",
    "RCP-011~1",
    page="The open is of a network that the quote is not of.",
)
_refuse(
    "another-model",
    Fault.OPEN_FOR_ANOTHER_MODEL,
    "BAD_OPEN",
    "RCP-011~1",
    page="The content asks for another model than the one that was quoted: a large one at the price of a small one.",
)
_refuse(
    "ceiling-above-ticks",
    Fault.OPEN_CEILING_ABOVE_TICKS,
    "BAD_OPEN",
    "RCP-036~1",
    page="The ceiling is one above what MAX_TICKS ticks can pay.",
)
_refuse(
    "highest-amount-as-ceiling",
    Fault.OPEN_CEILING_HUGEST,
    "BAD_OPEN",
    "RCP-036~1",
    page="The ceiling is 2^53 - 1, the highest amount that there is.",
)
_refuse(
    "commitment-of-another-salt",
    Fault.OPEN_COMMITS_TO_OTHER_SALT,
    "BAD_OPEN",
    "RCP-012~1",
    page="The salt in REQUEST is not the one of the commitment.",
)
_refuse(
    "commitment-to-other-content",
    Fault.OPEN_COMMITS_TO_OTHER_CONTENT,
    "BAD_OPEN",
    "RCP-012~1",
    page="The content asks for one token more than what was committed to: a receipt would be of another request.",
)
_refuse(
    "prepaid-link-random",
    Fault.PREPAID_LINK_RANDOM,
    "BAD_TICK",
    "RCP-020~1",
    page="The prepaid link is of no chain: work before it is paid, for nothing.",
)
_refuse(
    "prepaid-link-too-far",
    Fault.PREPAID_LINK_TOO_FAR,
    "BAD_TICK",
    "RCP-020~1",
    page="The prepaid link is the next one of the chain: it leads to the anchor, in one step too many.",
)


async def _with_prepaid_ticks(session: Session) -> Asking:
    one = await asking(session)
    if not one.quote.prepaid_ticks:
        raise session.untestable("the target asks for no prepaid ticks", "quote prepaid ticks")
    return one


@FAMILY.case(
    "refuse-prepaid-link-is-anchor",
    requirements=("RCP-020~1",),
    expect=Refuses("BAD_TICK"),
    fault=Fault.PREPAID_LINK_IS_ANCHOR,
    twin=_TWIN,
)
async def refuse_prepaid_link_is_anchor(session: Session) -> None:
    """The anchor, which everybody knows from the open, in place of the link that pays."""
    await _send_faulty(await _with_prepaid_ticks(session), OPENS[Fault.PREPAID_LINK_IS_ANCHOR])


# Ceilings


@FAMILY.case(
    "refuse-ceiling-below-prepaid",
    requirements=("RCP-021~1",),
    expect=Refuses("BAD_TICK"),
    fault=Fault.OPEN_CEILING_BELOW_PREPAID,
    twin=_TWIN,
)
async def refuse_ceiling_below_prepaid(session: Session) -> None:
    """The ceiling has room for one tick less than the quote wants prepaid, though the links are of the chain."""
    await _send_faulty(await _with_prepaid_ticks(session), OPENS[Fault.OPEN_CEILING_BELOW_PREPAID])


def _of_ceiling_zero(quote: Quote) -> Expectation:
    return Refuses("BAD_TICK" if quote.prepaid_ticks else "CEILING_TOO_LOW")


@FAMILY.case(
    "refuse-ceiling-zero",
    requirements=("RCP-013~2", "RCP-021~1"),
    expect=ByQuote("the request is refused: prepaid ticks do not fit, or one token is not paid for", _of_ceiling_zero),
    fault=Fault.OPEN_CEILING_ZERO,
    twin=_TWIN,
)
async def refuse_ceiling_zero(session: Session) -> None:
    """A consumer that authorises nothing gets nothing, where anything has a price.

    BAD_TICK where the quote wants prepaid ticks, which is checked first; else CEILING_TOO_LOW.
    """
    one = await asking(session)
    if not one.quote.prepaid_ticks:
        priced(one.side, one.quote.owed(1, 1), "tokens")
    one.send(one.compose(ceiling=0), fault=session.fault)
    await refused(one)


async def _measured(session: Session, tokens: int) -> tuple[Asking, dict[int, Item], int]:
    """A request yet to be made, its content, and what the prompt and so many tokens cost, by an honest one before."""
    side = await Initiator.connected(session)
    first = Asking(side, side.quote())
    prepaid = max(first.quote.prepaid_ticks - 1, 0) * first.quote.tick_value
    content = costly(first, prepaid)
    first.ask(content | {3: 1})
    first.settle(await first.answer())
    needed = first.quote.owed(first.input_tokens or 0, tokens)
    if needed - 1 <= prepaid:
        lift = "quote fewer prepaid ticks"
        raise session.untestable(f"the prepaid ticks alone pay for {needed} micro-credits", lift)
    return Asking(side, first.quote), content, needed


@FAMILY.case(
    "refuse-ceiling-one-short",
    requirements=("RCP-013~2",),
    expect=All((Refuses("CEILING_TOO_LOW", numbers=True), Shows("the numbers are right", names_the_need))),
    fault=Fault.OPEN_CEILING_ONE_SHORT,
    twin="accept-ceiling-for-one-token",
)
async def refuse_ceiling_one_short(session: Session) -> None:
    """The ceiling is one micro-credit below what the prompt and one token cost.

    What they cost is known from an honest request before. ERROR names the ceiling in limit, and that price in actual.
    """
    one, content, needed = await _measured(session, 1)
    one.send(one.compose(content, ceiling=needed - 1), fault=session.fault)
    await refused(one)


def _tokens(count: int) -> Expectation:
    what = f"the answer ends with CEILING, and the number of its tokens is {count}"
    return Bills(what, CEILING, lambda exchange, _: exchange.close[5] == count)


async def _stop_at_ceiling(session: Session, tokens: int) -> None:
    one, content, ceiling = await _measured(session, tokens)
    priced(one.side, one.quote.price_out, "output tokens")
    one.ask(content | {3: 64}, ceiling=ceiling)
    await one.finish()
    must_not_stop(one)


@FAMILY.case("accept-ceiling-for-one-token", requirements=("RCP-013~2", "RCP-016~1", "INF-011~1"), expect=_tokens(1))
async def accept_ceiling_for_one_token(session: Session) -> None:
    """The ceiling pays for the prompt and exactly one token: one token comes, and the answer ends with CEILING."""
    await _stop_at_ceiling(session, 1)


@FAMILY.case(
    "accept-ceiling-for-three-tokens",
    requirements=("RCP-016~1", "RCP-025~1", "INF-011~1"),
    expect=_tokens(3),
)
async def accept_ceiling_for_three_tokens(session: Session) -> None:
    """The ceiling pays for three tokens of the 64 that were asked for.

    A budget of five produced sixty elsewhere, and reported none spent. Here the provider stops before the token that
    would exceed the ceiling, says CEILING, and bills what it delivered.
    """
    await _stop_at_ceiling(session, 3)


@FAMILY.case("accept-highest-ceiling", requirements=("RCP-036~1",), expect=Completes())
async def accept_highest_ceiling(session: Session) -> None:
    """The ceiling is what MAX_TICKS ticks pay, and not one more: the chain has 65,536 links, of which few are used."""
    one = await asking(session)
    one.ask(ceiling=limit("MAX_TICKS") * one.quote.tick_value)
    await one.finish()
