"""PROVE and SHOW at a member that was dialed."""

from __future__ import annotations

from collections.abc import Callable

from conformance import signing
from conformance.dcbor import Item
from conformance.judge.called import Gives
from conformance.judge.expect import All, Refuses
from conformance.judge.series import LivesOn
from conformance.members import Signed
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import PROVE, SHOW, Network
from conformance.script.session import Session
from conformance.signing import Key

from .common import SHOWED, add, brings, case, inside


@case(SHOWED, "NET-033~1", "NET-034~1", expect=All((LivesOn(), Gives())))
async def show_a_membership(session: Session) -> None:
    """The target proves its network, and then the suite shows itself as a member of it."""
    _, network, side = await inside(session)
    await network.enter(side)
    await side.probe()


async def _refused(
    session: Session, procedure: int, arguments: Callable[[Initiator, Network], dict[int, Item]]
) -> None:
    _, network, side = await inside(session)
    if procedure == SHOW:
        await network.prove(side)
    await _asked(session, side, procedure, arguments(side, network))


async def _asked(session: Session, side: Initiator, procedure: int, arguments: dict[int, Item]) -> None:
    side.commits(session.fault)
    await side.answered(side.call(procedure, arguments))
    await side.probe()


def _refuse_prove(slug: str, page: str, fault: Fault, blind: Callable[[Initiator, Network], bytes]) -> None:
    async def script(session: Session) -> None:
        await _refused(session, PROVE, lambda side, network: {0: blind(side, network)})

    add(
        f"refuse-to-prove-{slug}",
        "NET-033~1",
        expect=Refuses("NOT_MEMBER"),
        fault=fault,
        page=page,
        script=script,
    )


_refuse_prove(
    "an-unknown-network",
    "PROVE for a network of which the target has never heard: it can name nothing that it is in.",
    Fault.PROVE_UNKNOWN_NETWORK,
    lambda side, _: side.session.entropy.take(32),
)
_refuse_prove(
    "to-a-borrowed-blind",
    "The suite names the target's network by the blind that the target itself would send, as one that heard it could.",
    Fault.PROVE_BORROWED_BLIND,
    lambda side, network: network.blind(side, side.provider),
)
_refuse_prove(
    "to-the-bare-id",
    "The network's id, and not its blind: who sends that on every connection would tell everybody where it belongs.",
    Fault.PROVE_BARE_ID,
    lambda _, network: network.id,
)


@case("refuse-a-membership-that-comes-first", "NET-034~1", expect=Refuses("NOT_MEMBER"), fault=Fault.SHOW_BEFORE_PROVE,
      twin=SHOWED)  # fmt: skip
async def refuse_show_first(session: Session) -> None:
    """SHOW, and the target has proved nothing on this connection: who cannot be a member yet is shown nothing back."""
    _, network, side = await inside(session)
    await _asked(session, side, SHOW, network.shown(network.membership(session.key.public)))


@case("refuse-a-membership-proved-elsewhere", "NET-034~1", "NET-037~1", expect=Refuses("NOT_MEMBER"),
      fault=Fault.SHOW_PROVED_ON_ANOTHER_CONNECTION, twin=SHOWED)  # fmt: skip
async def refuse_proved_elsewhere(session: Session) -> None:
    """The target has proved the network on another connection of the same suite: that counts there alone."""
    _, network, side = await inside(session)
    await network.enter(side)
    other = await Initiator.connected(session, capabilities=(1, 2))
    await _asked(session, other, SHOW, network.shown(network.membership(session.key.public)))


Makes = Callable[[Network, bytes], Signed]


def _show(slug: str, fault: Fault, requirement: str, page: str, makes: Makes) -> None:
    """A membership of the suite's that is not good in one way."""

    async def script(session: Session) -> None:
        await _refused(session, SHOW, lambda side, network: network.shown(makes(network, session.key.public)))

    add(
        f"refuse-a-membership-{slug}",
        "NET-034~1",
        requirement,
        expect=Refuses("NOT_MEMBER"),
        fault=fault,
        page=page,
        script=script,
    )


def _key(network: Network) -> Key:
    return Key(network.session.entropy.take(32))


def _unsigned(network: Network, key: bytes) -> Signed:
    return [network.membership(key)[0], bytes(64)]


def _in_another_context(network: Network, key: bytes) -> Signed:
    body = network.membership(key)[0]
    return [body, network.authority.sign(signing.INVITE, body)]


_DAY = 86_400
for _slug, _fault, _requirement, _page, _makes in (
    ("of-another-network", Fault.SHOW_FOREIGN, "NET-021~1",
     "A membership of another network, which the same authority signed.",
     lambda network, key: network.membership(key, k0=bytes(32))),
    ("of-another-authority", Fault.SHOW_OTHER_AUTHORITY, "NET-022~1",
     "Everything is right but the signer: an authority that the suite made up.",
     lambda network, key: network.membership(key, by=_key(network))),
    ("signed-by-the-root", Fault.SHOW_SIGNED_BY_ROOT, "NET-022~1",
     "The root signs descriptors, and no memberships.",
     lambda network, key: network.membership(key, by=network.root)),
    ("signed-by-itself", Fault.SHOW_SELF_SIGNED, "NET-022~1",
     "The member vouches for itself.",
     lambda network, key: network.membership(key, by=network.session.key)),
    ("without-signature", Fault.SHOW_UNSIGNED, "NET-022~1",
     "64 zeros in place of the signature.", _unsigned),
    ("signed-as-an-invite", Fault.SHOW_OTHER_CONTEXT, "NET-022~1",
     "The authority's signature over these bytes, in the context of invites.", _in_another_context),
    ("of-another-node", Fault.SHOW_STOLEN, "NET-024~1",
     "A good membership of another node, as anybody records one who was shown it.",
     lambda network, _: network.membership(_key(network).public)),
    ("that-has-expired", Fault.SHOW_EXPIRED, "NET-023~1",
     "A membership that ended an hour ago.",
     lambda network, key: network.membership(key, k6=network.now - _DAY, k7=network.now - 3600)),
    ("that-ends-before-it-begins", Fault.SHOW_BACK_DATED, "NET-023~1",
     "Issued tomorrow, expired in an hour: dates that no authority gives.",
     lambda network, key: network.membership(key, k6=network.now + _DAY, k7=network.now + 3600)),
    ("of-the-future", Fault.SHOW_NOT_YET, "NET-023~1",
     "A membership that will be issued in an hour.",
     lambda network, key: network.membership(key, k6=network.now + 3600, k7=network.now + _DAY)),
    ("for-ever", Fault.SHOW_FOR_EVER, "NET-023~1",
     "A membership of a year: thirty days are the most, so that a lost roll costs no more.",
     lambda network, key: network.membership(key, k7=network.now + 366 * _DAY)),
    ("with-a-key-of-its-own", Fault.SHOW_UNKNOWN_KEY, "NET-020~1",
     "A membership with one more key than its rule has, signed as it is.",
     lambda network, key: network.membership(key, k9=None)),
    ("with-a-role-that-nobody-knows", Fault.SHOW_UNKNOWN_ROLE, "NET-020~1",
     "Roles that no version has.",
     lambda network, key: network.membership(key, k3=4)),
):  # fmt: skip
    _show(_slug, _fault, _requirement, _page, _makes)


# Revocation


@case("refuse-a-revoked-membership", "NET-034~1", "NET-026~1", expect=Refuses("NOT_MEMBER"), fault=Fault.SHOW_REVOKED,
      twin=SHOWED)  # fmt: skip
async def refuse_revoked(session: Session) -> None:
    """The roll that the suite itself brings lists its key: the membership is void, however good its signature is."""
    _, network, side = await inside(session)
    await network.prove(side)
    key = session.key.public
    shown = network.shown(network.membership(key), k3=network.roll(1, {key: 1}))
    await _asked(session, side, SHOW, shown)


@case("refuse-a-member-of-a-voided-authority", "NET-034~1", "NET-026~1", expect=Refuses("NOT_MEMBER"),
      fault=Fault.SHOW_AUTHORITY_VOIDED, twin=SHOWED)  # fmt: skip
async def refuse_voided_authority(session: Session) -> None:
    """The authority has listed its own key: all that it signed before is void, since another may have had that key."""
    _, network, side = await inside(session)
    await network.prove(side)
    roll = network.roll(1, {network.authority.public: 1})
    shown = network.shown(network.membership(session.key.public), k3=roll)
    await _asked(session, side, SHOW, shown)


@case("refuse-a-member-of-a-replaced-authority", "NET-034~1", "NET-022~1", expect=Refuses("NOT_MEMBER"),
      fault=Fault.SHOW_AUTHORITY_REPLACED, twin=SHOWED)  # fmt: skip
async def refuse_replaced_authority(session: Session) -> None:
    """The root has named another authority, and the target knows it: what the old one signed counts no more."""
    target, network, _ = await inside(session)
    old = network.authority
    network.authority = _key(network)
    network.descriptor = network.describe(k4=2)
    await network.admit(target)
    side = await Initiator.connected(session, capabilities=(1, 2))
    await network.prove(side)
    await _asked(session, side, SHOW, network.shown(network.membership(session.key.public, by=old)))


@case("remember-whom-the-roll-names", "NET-044~1", "NET-026~1", expect=Refuses("NOT_MEMBER"),
      fault=Fault.SHOW_REVOKED_BEFORE_THE_CRASH, twin=SHOWED,
      needs={"start", "start.model", "join", "restart", "restart.kill"})  # fmt: skip
async def remember_the_roll(session: Session) -> None:
    """Another member brings a roll that names the suite. The target is killed, starts again, and no roll comes."""
    target, network, _ = await inside(session)
    key = session.key.public
    await brings(session, network, key)
    await target.restart(kill=True)
    side = await Initiator.connected(session, capabilities=(1, 2))
    await network.prove(side)
    await _asked(session, side, SHOW, network.shown(network.membership(key)))


# Accounts


def _certificate(network: Network, account: Key, node: bytes, **changes: Item) -> Signed:
    terms: dict[int, Item] = {0: account.public, 1: node, 2: 3, 3: 0, 4: network.now, 5: network.now + _DAY}
    return account.signed(signing.CERTIFICATE, terms | {int(key[1:]): value for key, value in changes.items()})


@case("show-an-account", "NET-034~1", "KEY-011~1", expect=All((LivesOn(), Gives())))
async def show_an_account(session: Session) -> None:
    """The member is an account, whose certificate says that the suite's node acts for it."""
    _, network, side = await inside(session)
    account = _key(network)
    await network.prove(side)
    certificate = _certificate(network, account, session.key.public)
    await side.answered(side.call(SHOW, network.shown(network.membership(account.public), k2=certificate)))
    await side.probe()


def _show_account(slug: str, fault: Fault, requirement: str, page: str, **changes: Callable[[Network], Item]) -> None:
    async def script(session: Session) -> None:
        def shown(side: Initiator, network: Network) -> dict[int, Item]:
            account = _key(network)
            signer = _key(network) if fault is Fault.SHOW_ACCOUNT_NOT_SIGNED else account
            changed = {key: make(network) for key, make in changes.items()}
            certificate = _certificate(network, signer, session.key.public, **{"k0": account.public, **changed})
            return network.shown(network.membership(account.public), k2=certificate)

        await _refused(session, SHOW, shown)

    add(
        f"refuse-an-account-{slug}",
        "NET-034~1",
        requirement,
        expect=Refuses("NOT_MEMBER"),
        fault=fault,
        page=page,
        script=script,
        twin="show-an-account",
    )


_show_account(
    "that-certifies-another-node",
    Fault.SHOW_ACCOUNT_OF_ANOTHER_NODE,
    "KEY-011~1",
    "The account's certificate is for another node.",
    k1=lambda network: _key(network).public,
)
_show_account(
    "that-did-not-sign",
    Fault.SHOW_ACCOUNT_NOT_SIGNED,
    "KEY-012~1",
    "A certificate in the account's name, under a signature of another key.",
)
_show_account(
    "whose-certificate-has-expired",
    Fault.SHOW_ACCOUNT_EXPIRED,
    "KEY-013~1",
    "The certificate ended an hour ago: a laptop that was lost does not ask for ever.",
    k4=lambda network: network.now - _DAY,
    k5=lambda network: network.now - 3600,
)
