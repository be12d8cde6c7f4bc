"""Whether the target says what it does not know, and does what it says: before anything else is believed."""

from __future__ import annotations

from conformance import framing
from conformance.judge.expect import All, Greets, Refuses, Shows
from conformance.judge.honesty import keeps_its_key, keeps_its_word
from conformance.script.asking import Asking, Edits
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("honesty")


@FAMILY.case(
    "refuse-random-verb",
    requirements=("ERR-003~2",),
    expect=Refuses("UNKNOWN_REQUEST"),
    fault=Fault.RANDOM_FIRST_FRAME,
    twin="accept-chat",
    tier="smoke",
)
async def refuse_random_verb(session: Session) -> None:
    """A request stream begins with a frame of a random type that no version has.

    Whoever answers anything else takes what it does not understand, and its other answers mean little.
    """
    side = await Initiator.connected(session)
    side.commits(Fault.RANDOM_FIRST_FRAME)
    kind = 2 * (100 + session.entropy.below(4000))
    side.link.write(side.open_stream(), framing.write_frame(kind, session.entropy.take(12)))
    await side.frame(side.next_stream - 4, "ERROR")
    await side.probe()


@FAMILY.case(
    "refuse-random-operation",
    requirements=("INF-005~1",),
    expect=Refuses("UNSUPPORTED"),
    fault=Fault.RANDOM_OPERATION,
    twin="accept-chat",
    tier="smoke",
)
async def refuse_random_operation(session: Session) -> None:
    """A request, right in all else, is of an operation that no version has."""
    side = await Initiator.connected(session)
    asking = Asking(side, side.quote())
    operation = 1000 + session.entropy.below(1 << 30)
    edits = Edits(content=lambda draft: draft.content.update({0: operation}))
    asking.send(asking.compose(edits=edits), fault=Fault.RANDOM_OPERATION)
    await asking.next()
    await side.probe()


@FAMILY.case(
    "accept-chat",
    requirements=("VER-003~1", "INF-027~2"),
    expect=All((Greets(), Shows("what is offered is answered", keeps_its_word))),
    tier="smoke",
)
async def accept_chat(session: Session) -> None:
    """The target declares CHAT and quotes a model: then a request for it is not one that it does not support."""
    side = await Initiator.connected(session)
    asking = Asking(side, side.quote())
    asking.ask()
    await asking.finish()


@FAMILY.case(
    "accept-same-node-twice",
    requirements=("HSK-016~1",),
    expect=All((Greets(), Shows("two connections show one node", keeps_its_key))),
)
async def accept_same_node_twice(session: Session) -> None:
    """Two connections, one after the other, prove one node key, each over its own binding."""
    await Initiator.connected(session)
    await Initiator.connected(session)
