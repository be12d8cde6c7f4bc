"""The target dials, and is a member: whom it shows itself to, and whom it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance import signing
from conformance.dcbor import Item
from conformance.judge.called import SHOW as SHOWS
from conformance.judge.called import calls
from conformance.judge.consumer import Agrees, Presents, asked
from conformance.judge.expect import All, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script.faults import Fault
from conformance.script.networks import CONSUMER, PROVE, PROVIDER, SHOW, Attending, Network, dialed, proof_of
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key
from conformance.wire.link import OverdueError

from .common import ASKED, CONSUMES, FAMILY, case, met

_QUIET = 1.5
"""Seconds in which a node that means to show itself has done so."""


def _shows(record: Record) -> Iterator[Finding]:
    if not any(each.procedure == SHOWS for link in record.links for each in calls(link, "target")):
        yield Finding(verdict=Verdict.FAIL, message="the target does not show itself")


@case(ASKED, "NET-035~1", "NET-031~1", expect=All((Shows("the target shows itself", _shows), Agrees(),
      Presents("whole"))), role="initiator", needs=CONSUMES)  # fmt: skip
async def ask_a_member(session: Session) -> None:
    """The target asks for the network, is shown a provider of it, shows itself, and asks there in its user's name."""
    target, network, side, attending = await met(session)
    await attending.until(SHOW)
    side.offer(side.quote(k1=network.id))
    request = await target.ask(session.key.public, network=network.id)
    serving = await attending.request()
    await serving.finish(tokens=4)
    await request.answer()


# To whom it shows itself


def _silent(requirement: str) -> Shows:
    """No SHOW."""

    def predicate(record: Record) -> Iterator[Finding]:
        made = [each for link in record.links for each in calls(link, "target")]
        if not made:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="the target asked for no network")
        for each in made:
            if each.procedure == SHOWS:
                message = "the target shows itself to a peer that has not proved the network"
                yield broken(message, requirement, each.frame.event)

    return Shows("the target shows nothing of itself", predicate)


Proves = Callable[[Network], dict[int, Item] | None]


def _show_nothing(slug: str, page: str, fault: Fault | None, *requirements: str, proves: Proves) -> None:
    """The suite answers PROVE otherwise than a member."""

    async def script(session: Session) -> None:
        _, network, side, attending = await met(session)
        attending.proof = proves(network)
        if fault is not None:
            side.commits(fault)
        await attending.until(PROVE)
        await side.rest(within=_QUIET)
        await side.probe()

    FAMILY.add(
        f"show-nothing-to-{slug}",
        page=page,
        requirements=("NET-031~1", *requirements),
        expect=All((_silent("NET-031~1"), LivesOn())),
        fault=fault,
        script=script,
        role="initiator",
        needs=CONSUMES,
        twin=ASKED,
    )


def _key(network: Network) -> Key:
    return Key(network.session.entropy.take(32))


def _other_root(network: Network) -> dict[int, Item]:
    """Everything as it has to be, under a root that the suite made up: another network that looks the same."""
    return proof_of(Network(network.session))


def _forged_descriptor(network: Network) -> dict[int, Item]:
    """The right root in a descriptor that it did not sign, with an authority of the suite's."""
    network.authority = _key(network)
    real = network.root
    network.root = _key(network)
    network.descriptor, network.root = network.describe(k0=real.public), real
    return proof_of(network)


_DAY = 86_400
_show_nothing(
    "a-stranger",
    "The peer is not of the network, and says so: it learns nothing of the target but a blind.",
    None,
    proves=lambda _: None,
)
for _slug, _fault, _requirement, _page, _proves in (
    ("a-network-of-the-same-name", Fault.PROVED_OTHER_ROOT, "NET-012~1",
     "The peer proves a network with the same name and the same terms, whose root is its own: a name is nobody's.",
     _other_root),
    ("a-forged-descriptor", Fault.PROVED_FORGED_DESCRIPTOR, "NET-013~1",
     "The descriptor names the right root, another authority, and is signed by neither.", _forged_descriptor),
    ("a-self-made-member", Fault.PROVED_SELF_MADE, "NET-022~1",
     "The peer's membership is signed by an authority that it made up.",
     lambda network: {0: network.descriptor, 1: network.membership(network.session.key.public, by=_key(network)),
                      3: None}),
    ("a-borrowed-membership", Fault.PROVED_BORROWED, "NET-024~1",
     "The peer shows a good membership of another node.",
     lambda network: {0: network.descriptor, 1: network.membership(_key(network).public), 3: None}),
    ("an-expired-member", Fault.PROVED_EXPIRED, "NET-023~1",
     "The peer's membership ended an hour ago.",
     lambda network: proof_of(network, k6=network.now - _DAY, k7=network.now - 3600)),
    ("a-revoked-member", Fault.PROVED_REVOKED, "NET-026~1",
     "The roll that the peer brings lists the peer.",
     lambda network: {**proof_of(network), 3: network.roll(1, {network.session.key.public: 1})}),
):  # fmt: skip
    _show_nothing(_slug, _page, _fault, _requirement, proves=_proves)


@case("answer-nothing-before-it-has-asked", "NET-032~1", expect=Refuses("NOT_MEMBER", alive=False),
      fault=Fault.PROVE_ASKED_BACK, twin=ASKED, role="initiator", needs=CONSUMES)  # fmt: skip
async def answer_nothing_first(session: Session) -> None:
    """The peer, which was dialed, asks the target for the network at once: it has to prove itself before."""
    _, network, side, attending = await met(session)
    side.commits(session.fault, side.next_stream)
    await side.answered(side.call(PROVE, {0: network.blind(side)}))
    attending.proof = None
    await side.probe()


# Whom it asks


def _asks_nobody(*requirements: str) -> All:
    def predicate(record: Record) -> Iterator[Finding]:
        for exchange in asked(record):
            event = exchange.request.event if exchange.request is not None else -1
            for requirement in requirements:
                yield broken("a request was sent that must not be", requirement, event)

    return All((Shows("no request is sent", predicate), Presents("failed")))


async def _ask_in_vain(session: Session, attending: Attending, target: Target, *quotes: list[bytes]) -> None:
    """Offer something that may not be taken, and let the user ask in the network."""
    attending.side.offer(*quotes)
    request = await target.ask(session.key.public, network=attending.network.id)
    try:
        await attending.request(within=3)
    except OverdueError:
        await attending.side.probe()
    await request.answer(within=5)


@case("ask-nobody-who-proves-nothing", "NET-035~1", expect=_asks_nobody("NET-035~1"), twin=ASKED, role="initiator",
      needs=CONSUMES)  # fmt: skip
async def ask_no_stranger(session: Session) -> None:
    """The peer refuses PROVE, and offers a model in the network all the same: no prompt goes to it."""
    target, network, side, attending = await met(session)
    attending.proof = None
    await attending.until(PROVE)
    await _ask_in_vain(session, attending, target, side.quote(k1=network.id))


@case("ask-nobody-who-is-no-provider", "NET-035~1", expect=_asks_nobody("NET-035~1"), twin=ASKED, role="initiator",
      needs=CONSUMES)  # fmt: skip
async def ask_no_consumer(session: Session) -> None:
    """The peer is a member that may ask, and offers answers: the authority did not name it for that."""
    target, network, side, attending = await met(session, proof={"roles": CONSUMER})
    await attending.until(SHOW)
    await _ask_in_vain(session, attending, target, side.quote(k1=network.id))


@case("ask-nothing-without-the-role", "NET-035~1", expect=_asks_nobody("NET-035~1"), twin=ASKED, role="initiator",
      needs=CONSUMES)  # fmt: skip
async def ask_nothing_as_a_provider(session: Session) -> None:
    """The target's own membership lets it answer, and not ask."""
    target, network, side, attending = await met(session, roles=PROVIDER)
    await attending.until(SHOW)
    await _ask_in_vain(session, attending, target, side.quote(k1=network.id))


@case("ask-for-no-model-that-the-network-does-not-allow", "NET-039~1", expect=_asks_nobody("NET-039~1"), twin=ASKED,
      role="initiator", needs=CONSUMES)  # fmt: skip
async def ask_for_no_other_model(session: Session) -> None:
    """The network's list holds another model than the one that a member offers in it."""
    target, network, side, attending = await met(session, k6=[bytes(31) + b"\1"])
    await attending.until(SHOW)
    await _ask_in_vain(session, attending, target, side.quote(k1=network.id))


@case("ask-nowhere-else", "NET-035~1", expect=_asks_nobody("NET-035~1"), twin=ASKED, role="initiator", needs=CONSUMES)
async def ask_nowhere_else(session: Session) -> None:
    """The user asks in the network; the peer is no member, and offers the model in the direct one: that is not it."""
    target, _, side, attending = await met(session)
    attending.proof = None
    await attending.until(PROVE)
    await _ask_in_vain(session, attending, target, side.quote(k1=signing.DIRECT))


@case("ask-no-other-network", "NET-035~1", expect=_asks_nobody("NET-035~1"), twin=ASKED, role="initiator",
      needs=CONSUMES)  # fmt: skip
async def ask_no_other_network(session: Session) -> None:
    """The target is in two networks, the peer in one of them; the user asks in the other."""
    target = await Target.start(session)
    one, other = Network(session), Network(session)
    await one.admit(target)
    await other.admit(target)
    side = await dialed(session, target)
    attending = Attending(side, one, proof=proof_of(one))
    await attending.until(SHOW)
    side.offer(side.quote(k1=one.id))
    request = await target.ask(session.key.public, network=other.id)
    try:
        await attending.request(within=3)
    except OverdueError:
        await side.probe()
    await request.answer(within=5)
