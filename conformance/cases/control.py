"""Control streams: SPEC.md, "Control streams"."""

from __future__ import annotations

from collections.abc import Callable

from conformance import dcbor, framing, signing
from conformance.data import limit
from conformance.judge.expect import Completes, Fails, Greets
from conformance.judge.series import Watched
from conformance.script import places
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session
from conformance.wire.link import Link

from .registry import Family

FAMILY = Family("control")
_TWIN = "accept-models-of-initiator"
_PATIENCE = 3.0


@FAMILY.case(_TWIN, requirements=("RCP-001~1", "RCP-002~1"), expect=Completes())
async def accept_models_of_initiator(session: Session) -> None:
    """The initiator offers a model of its own, later another list and then none, and asks a question meanwhile."""
    side = await Initiator.connected(session)
    quote = session.key.signed(signing.QUOTE, places.own_quote(side))
    for quotes in ([quote], [quote, quote], []):
        side.control(framing.MODELS, dcbor.encode({0: quotes, session.entropy.reserved(): None}))
    await places.complete(side)


@FAMILY.case("accept-burst", requirements=("CTL-004~1", "EXT-007~1"), expect=Completes())
async def accept_burst(session: Session) -> None:
    """32 frames at once behind HELLO, as many as the allowance has from the beginning: MODELS and reserved types."""
    side = await Initiator.connected(session)
    _burst(side, limit("CONTROL_BURST"))
    await places.complete(side)


def _burst(side: Initiator, count: int) -> None:
    """So many frames, of two kinds in turn."""
    for number in range(count):
        if number % 2:
            side.control(framing.MODELS, dcbor.encode({0: []}))
        else:
            side.control(side.session.entropy.reserved(), b"")


@FAMILY.case(
    "reject-flood",
    requirements=("CTL-004~1",),
    expect=Fails("RATE_EXCEEDED", "control"),
    fault=Fault.CONTROL_FLOODED,
    twin="accept-burst",
)
async def reject_flood(session: Session) -> None:
    """Twice as many frames at once as the allowance has; those of reserved types count, too."""
    side = await Initiator.connected(session)
    _burst(side, limit("CONTROL_BURST"))
    side.commits(session.fault)
    _burst(side, limit("CONTROL_BURST"))
    await side.rest(_PATIENCE)


_MISUSES: dict[Fault, tuple[str, str, Callable[[Link], None]]] = {
    Fault.CONTROL_ENDED: ("end-of-control", "ends its control stream", lambda link: link.write(2, b"", fin=True)),
    Fault.CONTROL_RESET: ("reset-of-control", "resets its control stream", lambda link: link.reset(2)),
    Fault.CONTROL_STOPPED: (
        "stop-of-control",
        "stops reading the responder's control stream",
        lambda link: link.stop(3),
    ),
}


async def _misuse(session: Session) -> None:
    side = await Initiator.connected(session)
    side.commits(session.fault)
    _MISUSES[session.fault][2](side.link)
    await side.rest(_PATIENCE)


for _fault, (_slug, _what, _) in _MISUSES.items():
    FAMILY.add(
        f"reject-{_slug}",
        page=f"The initiator {_what}, though the connection lives: there is no connection without both.",
        requirements=("CTL-001~1",),
        script=_misuse,
        expect=Fails("STREAM_MISUSE", "control"),
        fault=_fault,
        twin=_TWIN,
    )


# Streams that nobody opens

_SECOND = 6
"""The initiator's second unidirectional stream."""


@FAMILY.case(
    "reject-second-unidirectional-stream",
    requirements=("CTL-003~1",),
    expect=Fails("STREAM_MISUSE", "control"),
    fault=Fault.STREAM_OF_NOBODY,
    twin=_TWIN,
)
async def reject_second_unidirectional_stream(session: Session) -> None:
    """The initiator opens a second unidirectional stream, which no table has.

    Where the target's own transport parameters let nobody open one, there is nothing to see.
    """
    side = await Initiator.connected(session)
    if side.link.announced.get("initial_max_streams_uni", 0) < 2:
        raise session.not_applicable("the target's transport lets its peer open one unidirectional stream and no more")
    side.commits(session.fault)
    side.link.write(_SECOND, framing.write_frame(framing.MODELS, dcbor.encode({0: []})))
    await side.rest(_PATIENCE)


# Renewal

_LONGEST = 60.0
"""Seconds for which a case waits for a quote to be renewed."""


@FAMILY.case(
    "renew-quotes",
    requirements=("CTL-008~1",),
    expect=Greets(),
    tier="full",
    seconds=_LONGEST + 5,
)
async def renew_quotes(session: Session) -> None:
    """Wait until the quotes expire, where that is soon: a new MODELS has to come before.

    In every other case, too, the newest MODELS is looked at when a quote expires.
    """
    side = await Initiator.connected(session)
    left = min((each.expires for each in side.quotes), default=2**53) - session.environment.clock()
    if left > _LONGEST:
        raise session.not_applicable(f"no quote of the target's expires within {_LONGEST:.0f} seconds")
    await side.rest(left + 3)


FAMILY.add(
    "keep-control-streams",
    page="The target neither ends, resets nor stops a control stream, and stays within the allowance on its own. "
    "An honest initiator is refused and answered; the same is watched in every other case.",
    requirements=(
        "CTL-002~1",
        "CTL-005~1",
    ),
    script=places.visit,
    expect=Watched(),
)
