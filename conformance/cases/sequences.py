"""Sequence numbers, against a provider: one open is one debt, for ever. SPEC.md, "Receipts"."""

from __future__ import annotations

from conformance.judge.expect import Completes, Expectation, Refuses
from conformance.judge.money import AdmitsOne, ByQuoteOffered
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.payment import asking, brief, cancelled, refused, streaming
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("sequences")
_TWIN = "accept-next-open"
_CHAINED = "accept-chained-open"
_USED = "RCP-040~1"


async def _ask(side: Initiator, *, sequence: int | None = None, previous: bytes | None = None) -> Asking:
    """An honest exchange, to its end."""
    one = Asking(side, side.quote())
    one.ask(brief(one), sequence=sequence, previous=previous)
    await one.finish()
    return one


async def _replay(one: Asking, side: Initiator) -> None:
    """Send a REQUEST once more, byte by byte."""
    assert one.draft is not None  # it was sent
    again = Asking(side, one.quote)
    again.send(one.draft, fault=side.session.fault)
    await refused(again)


async def _reuse(one: Asking, side: Initiator, *, ceiling: int | None = None) -> None:
    """Sign another open with a sequence number that is used, and send it."""
    assert one.draft is not None  # it was sent
    again = Asking(side, side.quote())
    again.send(again.compose(sequence=int(one.draft.opened[3]), ceiling=ceiling), fault=side.session.fault)
    await refused(again)


@FAMILY.case(_TWIN, requirements=(_USED, "RCP-039~1"), expect=Completes())
async def accept_next_open(session: Session) -> None:
    """Two requests on one connection, the second with a higher number: both are answered.

    A gap between the numbers means nothing: consumers take them in blocks, and crashes leave gaps.
    """
    side = await Initiator.connected(session)
    await _ask(side)
    await _ask(side)


@FAMILY.case("accept-lower-sequence", requirements=("RCP-053~1",), expect=Completes())
async def accept_lower_sequence(session: Session) -> None:
    """A number below one that was used, and not used itself: requests overtake each other, and this one was slow."""
    side = await Initiator.connected(session)
    lower, higher = session.sequence(), session.sequence()
    await _ask(side, sequence=higher)
    await _ask(side, sequence=lower)


@FAMILY.case(
    "refuse-replayed-request",
    requirements=(_USED,),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_REPLAYED,
    twin=_TWIN,
)
async def refuse_replayed_request(session: Session) -> None:
    """The bytes of an answered REQUEST once more, on the same connection.

    A receipt that was shown four times was paid four times elsewhere. Here the number names the debt, and it is used.
    """
    side = await Initiator.connected(session)
    await _replay(await _ask(side), side)


def _elsewhere(offered: bool) -> Expectation:
    return Refuses("SEQUENCE_USED" if offered else "UNKNOWN_QUOTE")


@FAMILY.case(
    "refuse-request-replayed-elsewhere",
    requirements=(_USED, "RCP-004~1"),
    expect=ByQuoteOffered("the request is refused: its number is used, or its quote was not offered here", _elsewhere),
    fault=Fault.OPEN_REPLAYED,
    twin=_TWIN,
)
async def refuse_request_replayed_elsewhere(session: Session) -> None:
    """The bytes of an answered REQUEST once more, on another connection.

    SEQUENCE_USED where this connection was offered the same quote; else the provider finds that first: UNKNOWN_QUOTE.
    """
    first = await _ask(await Initiator.connected(session))
    await _replay(first, await Initiator.connected(session))


@FAMILY.case(
    "refuse-sequence-used-elsewhere",
    requirements=(_USED, "RCP-039~1"),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_SEQUENCE_REUSED,
    twin=_TWIN,
)
async def refuse_sequence_used_elsewhere(session: Session) -> None:
    """Another open with a number that was used on another connection: opens belong to the nodes, not to connections."""
    first = await _ask(await Initiator.connected(session))
    await _reuse(first, await Initiator.connected(session))


@FAMILY.case(
    "refuse-sequence-with-lower-ceiling",
    requirements=(_USED,),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_SEQUENCE_REUSED,
    twin=_TWIN,
)
async def refuse_sequence_with_lower_ceiling(session: Session) -> None:
    """Another open with a used number and a lower ceiling: the debt does not shrink by being signed again."""
    side = await Initiator.connected(session)
    first = await _ask(side)
    await _reuse(first, side, ceiling=max(first.ceiling - 1, 0))


@FAMILY.case(
    "refuse-replay-while-running",
    requirements=(_USED, "RCP-039~1"),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_REPLAYED,
    twin=_TWIN,
)
async def refuse_replay_while_running(session: Session) -> None:
    """The bytes of a REQUEST once more, while its answer is still on its way: the open was recorded before ACCEPT."""
    one = await streaming(session)
    await _replay(one, one.side)


@FAMILY.case(
    "refuse-replay-after-cancel",
    requirements=(_USED,),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_REPLAYED,
    twin=_TWIN,
)
async def refuse_replay_after_cancel(session: Session) -> None:
    """The bytes of a REQUEST once more, after it was cancelled and its bill agreed on."""
    one = await streaming(session)
    await cancelled(one)
    await _replay(one, one.side)


@FAMILY.case(
    "refuse-sequence-after-hang-up",
    requirements=(_USED,),
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.OPEN_SEQUENCE_REUSED,
    twin=_TWIN,
)
async def refuse_sequence_after_hang_up(session: Session) -> None:
    """The consumer hangs up in the middle of an answer, comes back, and uses the number again.

    What it released is owed, and the number is used: a lost connection takes nothing back.
    """
    one = await streaming(session)
    one.side.link.close()
    await _reuse(one, await Initiator.connected(session))


@FAMILY.case(
    "refuse-sequence-twice-at-once",
    requirements=("RCP-039~1", _USED),
    expect=AdmitsOne(),
    fault=Fault.OPEN_SEQUENCE_REUSED,
    twin=_TWIN,
)
async def refuse_sequence_twice_at_once(session: Session) -> None:
    """Two connections, two opens with one number, sent at once: one is accepted, it does not matter which.

    A provider that looks the number up, waits for its model, and records the open afterwards accepts both.
    """
    one, other = await asking(session), await asking(session)
    sequence = session.sequence()
    drafts = one.compose(brief(one), sequence=sequence), other.compose(brief(other), sequence=sequence)
    one.send(drafts[0], reserved=False)
    other.send(drafts[1], fault=session.fault)
    await one.finish()
    await other.finish()


# The chain of opens


@FAMILY.case(_CHAINED, requirements=("RCP-041~1",), expect=Completes())
async def accept_chained_open(session: Session) -> None:
    """Two opens with consecutive numbers, the second of which names the first in ``previous``."""
    side = await Initiator.connected(session)
    first = await _ask(side)
    assert first.draft is not None  # it was sent
    await _ask(side, sequence=int(first.draft.opened[3]) + 1, previous=first.draft.name)


@FAMILY.case("accept-unknown-previous", requirements=("RCP-041~1",), expect=Completes())
async def accept_unknown_previous(session: Session) -> None:
    """The provider has not recorded the number before: whatever ``previous`` says, it cannot know better.

    The open before may still be on its way, or was refused.
    """
    side = await Initiator.connected(session)
    await _ask(side)
    await _ask(side, previous=bytes(range(32)))


async def _deny(session: Session, previous: bytes | None) -> None:
    side = await Initiator.connected(session)
    first = await _ask(side)
    assert first.draft is not None  # it was sent
    again = Asking(side, side.quote())
    draft = again.compose(sequence=int(first.draft.opened[3]) + 1, previous=previous)
    again.send(draft, fault=session.fault)
    await refused(again)


@FAMILY.case(
    "refuse-missing-previous",
    requirements=("RCP-041~1",),
    expect=Refuses("BAD_OPEN"),
    fault=Fault.OPEN_PREVIOUS_MISSING,
    twin=_CHAINED,
)
async def refuse_missing_previous(session: Session) -> None:
    """The provider has recorded the open before this one, and this one says that there is none: a past is denied."""
    await _deny(session, None)


@FAMILY.case(
    "refuse-previous-of-another-past",
    requirements=("RCP-041~1",),
    expect=Refuses("BAD_OPEN"),
    fault=Fault.OPEN_PREVIOUS_OF_ANOTHER,
    twin=_CHAINED,
)
async def refuse_previous_of_another_past(session: Session) -> None:
    """The provider has recorded the open before this one, and this one names another: the past was forked."""
    await _deny(session, bytes(range(32)))
