"""What QUIC and TLS show of a node: SPEC.md, "Transport"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance import framing
from conformance.data import limit
from conformance.judge.expect import All, Expectation, Greets, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script.faults import Fault
from conformance.script.frames import head
from conformance.script.initiator import Initiator
from conformance.script.session import Session
from conformance.wire.link import GoneError

from .registry import Family

FAMILY = Family("transport")
_TWIN = "accept-quic-version-1"
_IDLE_MS = 60_000
_SILENCE, _WATCHED = 20.0, 25.0
"""Seconds after which a silent node sends a PING, and for which it is watched."""


def _announces(what: str, name: str, good: Callable[[Any], bool], verdict: Verdict = Verdict.FAIL) -> Expectation:
    """What the target's QUIC or TLS has shown under a name."""

    def judge(record: Record) -> Iterator[Finding]:
        for link in record.links:
            value = link.transport.get(name)
            if value is None and link.binding:
                yield Finding(verdict=verdict, message=f"the target's transport does not show {what}")
            elif value is not None and not good(value):
                yield Finding(verdict=verdict, message=f"{what} is {value}")

    return Shows(f"{what} is as it has to be", judge)


async def _connect(session: Session) -> None:
    """An honest handshake, and a sign of life."""
    side = await Initiator.connected(session)
    await side.probe()


@FAMILY.case(
    _TWIN,
    requirements=("TRN-002~1",),
    expect=LivesOn(),
    tier="smoke",
)
async def accept_quic_version_1(session: Session) -> None:
    """A connection of QUIC version 1, which the suite alone offers."""
    await _connect(session)


@FAMILY.case(
    "select-protocol",
    requirements=("TRN-001~1",),
    expect=All((LivesOn(), _announces("the ALPN protocol", "alpn", lambda value: value == "mycellm/1"))),
)
async def select_protocol(session: Session) -> None:
    """The ALPN protocol `mycellm/1` is offered, and has to be selected: it names the version of HELLO."""
    await _connect(session)


def _refused(record: Record) -> Iterator[Finding]:
    """The connection with the other protocol never came to be."""
    for link in record.links:
        if link.binding:
            yield Finding(verdict=Verdict.FAIL, message="TLS was done with a protocol that is not this one")
            return
        if link.close is None:
            yield Finding(verdict=Verdict.FAIL, message="the target answered nothing")


@FAMILY.case(
    "refuse-other-protocol",
    requirements=("TRN-001~1",),
    expect=Shows("TLS is not done", _refused),
    fault=Fault.OTHER_ALPN,
    twin="select-protocol",
)
async def refuse_other_protocol(session: Session) -> None:
    """The initiator offers `mycellm/2` alone. Nothing of this protocol may be spoken under another's name."""
    session.commits(session.fault)
    try:
        await session.dial(alpn="mycellm/2")
    except GoneError:
        return


@FAMILY.case(
    "send-no-session-ticket",
    requirements=("TRN-012~1",),
    expect=LivesOn(),
)
async def send_no_session_ticket(session: Session) -> None:
    """A connection with all that follows TLS's handshake: none of it may be a ticket to resume it by.

    The same is watched on every other connection.
    """
    await _connect(session)


@FAMILY.case(
    "announce-idle-timeout",
    requirements=("TRN-006~1",),
    expect=_announces(
        "the QUIC idle timeout in milliseconds", "max_idle_timeout", lambda value: value == _IDLE_MS, Verdict.WARN
    ),
)
async def announce_idle_timeout(session: Session) -> None:
    """The transport parameter max_idle_timeout is 60 seconds: three of the silences after which a node sends a PING."""
    await _connect(session)


@FAMILY.case(
    "use-p256-certificate",
    requirements=("TRN-013~1",),
    expect=_announces("the key of the certificate", "certificate", lambda value: value == "EC secp256r1", Verdict.WARN),
)
async def use_p256_certificate(session: Session) -> None:
    """The certificate has an ECDSA P-256 key, which every QUIC library can verify."""
    await _connect(session)


@FAMILY.case("allow-streams", requirements=("TRN-005~2",), expect=LivesOn())
async def allow_streams(session: Session) -> None:
    """64 request streams at once: 63 that have shown the head of a frame, and one whose first frame is answered."""
    side = await Initiator.connected(session)
    for _ in range(limit("MAX_STREAMS") - 1):
        side.link.write(side.open_stream(), head(framing.REQUEST, 1000))
    await side.probe()


def _pings(record: Record) -> Iterator[Finding]:
    """A PING within the time in which the target had nothing else to say."""
    for link in record.links:
        said = [event for _, event in record.events() if event.link == link.number and event.by == "target"]
        last = max((event.at for event in said if event.what == "data"), default=0.0)
        times = [event.at - last for event in said if event.facts.get("ping")]
        if not any(_SILENCE - 5 <= time <= _WATCHED for time in times):
            message = f"the target was silent for {_WATCHED:.0f} seconds and sent no PING"
            yield Finding(verdict=Verdict.WARN, message=message)


@FAMILY.case(
    "keep-alive",
    requirements=("TRN-007~1",),
    expect=All((Greets(), Shows("PING comes after 20 seconds of silence", _pings))),
    tier="full",
    seconds=_WATCHED,
)
async def keep_alive(session: Session) -> None:
    """An authenticated connection on which nobody says anything for 25 seconds: the target sends a PING."""
    side = await Initiator.connected(session)
    await side.rest(_WATCHED)
