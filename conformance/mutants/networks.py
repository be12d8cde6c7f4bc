"""Members that show themselves to anybody, take anybody for a member, or let one network leak into another."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.caller import Caller
from conformance.honest.connection import Connection
from conformance.honest.initiator import Initiator
from conformance.honest.networks import PROVE
from conformance.members import Member, Proof
from conformance.offer import Quote
from conformance.signing import DIRECT, blind

from .brief import does, skips
from .mutant import connection_with, initiator_with, skipping


def _remembers_on_every_connection(self: Connection, network: bytes) -> Member | None:
    """Takes what was shown on one connection for shown on all of them."""
    met: dict[tuple[bytes, bytes], Proof] = self.node.__dict__.setdefault("met", {})
    if network in self.proofs:
        met[network, self.peer] = self.proofs[network]
    proof = met.get((network, self.peer))
    return None if proof is None else self.node.verified(network, proof, self.peer)


def _has_proved_everywhere(self: Connection) -> None:
    """Takes what it has proved on one connection for proved on all of them."""
    self.given = self.node.__dict__.setdefault("given", set())
    Connection.proved(self)


def _judges_once(self: Connection, network: bytes) -> Member | None:
    judged: dict[bytes, Member] = self.__dict__.setdefault("judged", {})
    if network not in judged and (found := Connection.member(self, network)) is not None:
        judged[network] = found
    return judged.get(network)


def _serves_every_member(self: Connection, network: bytes, role: int) -> bool:
    return self.member(network) is not None


def _goes_elsewhere(self: Initiator, quote: Quote, network: bytes) -> bool:
    """Takes any quote where none of the network is there."""
    return quote.network == DIRECT or Initiator.is_of(self, quote, network)


def _asks_in_any_of_its_networks(self: Initiator, quote: Quote, network: bytes) -> bool:
    return Initiator.is_of(self, quote, quote.network)


def _ignores_roles(self: Initiator, quote: Quote, network: bytes) -> bool:
    if network == DIRECT or quote.network != network:
        return Initiator.is_of(self, quote, network)
    return self.member(network) is not None and network in self.shown


def _meets_all_at_once(self: Initiator, *networks: bytes) -> None:
    for network in networks if self.may_call() else ():
        blinded = blind(network, self.binding, self.node.key.public)
        self.call(PROVE, "proved", {0: blinded}, _nothing)


def _nothing(_: dict[int, Item] | None, __: object) -> None:
    """Whatever came."""


class _Impatient(Caller):
    """Gives up after half of the time that the callee has."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.timers.start("result", limit("CALL_TIMEOUT") / 2, self.overdue)


_skips, _does = partial(skips, "networks"), partial(does, "networks")

MUTANTS = (
    _skips(
        "NET-020",
        "reads-memberships-loosely",
        "Takes memberships with keys and roles that no rule has.",
        "refuse-a-membership-with-a-key-of-its-own",
        "refuse-a-membership-with-a-role-that-nobody-knows",
    ),
    _skips(
        "NET-021",
        "takes-memberships-of-any-network",
        "Does not look which network a membership is of.",
        "refuse-a-membership-of-another-network",
        row=10,
    ),
    _skips(
        "NET-022",
        "takes-memberships-of-anybody",
        "Does not look who signed a membership: who says that it is a member is one.",
        "refuse-a-membership-of-another-authority",
        "refuse-a-membership-signed-by-the-root",
        "refuse-a-membership-signed-by-itself",
        "refuse-a-membership-without-signature",
        "refuse-a-membership-signed-as-an-invite",
        "refuse-a-member-of-a-replaced-authority",
        row=10,
    ),
    _skips(
        "NET-023",
        "takes-memberships-of-any-date",
        "Does not look at the dates of a membership.",
        "refuse-a-membership-that-has-expired",
        "refuse-a-membership-that-ends-before-it-begins",
        "refuse-a-membership-of-the-future",
        "refuse-a-membership-for-ever",
    ),
    _skips(
        "NET-024",
        "takes-memberships-for-bearer-secrets",
        "Takes everybody who shows a membership for its member.",
        "refuse-a-membership-of-another-node",
        row=5,
    ),
    _skips(
        "NET-026",
        "reads-no-rolls",
        "Takes what a roll has voided.",
        "refuse-a-revoked-membership",
        "refuse-a-member-of-a-voided-authority",
        "remember-whom-the-roll-names",
    ),
    _skips("NET-044", "forgets-rolls", "Loses the newest roll in a crash.", "remember-whom-the-roll-names"),
    _skips(
        "KEY-011",
        "takes-certificates-of-any-node",
        "Takes an account's certificate for another node.",
        "refuse-an-account-that-certifies-another-node",
    ),
    _skips(
        "KEY-012",
        "takes-unsigned-certificates",
        "Takes certificates in an account's name that it did not sign.",
        "refuse-an-account-that-did-not-sign",
    ),
    _skips(
        "KEY-013",
        "takes-certificates-of-any-date",
        "Does not look at the dates of a node certificate.",
        "refuse-an-account-whose-certificate-has-expired",
    ),
    _skips(
        "NET-033",
        "proves-whatever-it-is-asked",
        "Shows one of its networks to whoever asks for any.",
        "refuse-to-prove-an-unknown-network",
        "refuse-to-prove-to-a-borrowed-blind",
        "refuse-to-prove-to-the-bare-id",
        row=5,
    ),
    _skips(
        "NET-034",
        "takes-members-unasked",
        "Takes a membership that comes before it has proved anything.",
        "refuse-a-membership-that-comes-first",
        "refuse-a-membership-proved-elsewhere",
    ),
    _does(
        "has-proved-everywhere",
        "Takes a network that it has proved on one connection for proved on all.",
        "NET-034 NET-037",
        "refuse-a-membership-proved-elsewhere",
        connection=connection_with(proved=_has_proved_everywhere),
    ),
    _does(
        "knows-members-everywhere",
        "Takes a member of one connection for a member on all.",
        "NET-037 NET-048",
        "refuse-an-open-of-another-connection",
        connection=connection_with(member=_remembers_on_every_connection),
    ),
    _does(
        "judges-members-once",
        "Goes on serving whom a newer roll has put out.",
        "NET-038 NET-036",
        "serve-a-member-no-more-once-it-is-revoked",
        connection=connection_with(member=_judges_once),
    ),
    _skips(
        "NET-036",
        "serves-members-that-are-out",
        "Does not look whether who opens is a member.",
        "serve-a-member-no-more-once-it-is-revoked",
        row=10,
    ),
    _does(
        "serves-members-without-a-role",
        "Serves every member, whatever the authority lets it do.",
        "NET-036",
        "offer-nothing-to-a-member-without-a-role",
        connection=connection_with(plays=_serves_every_member),
    ),
    _skips(
        "NET-048",
        "offers-to-strangers",
        "Shows the quotes of its networks to whoever connects.",
        "offer-nothing-to-a-stranger",
        row=10,
    ),
    _skips(
        "NET-049",
        "offers-what-it-may-not",
        "Offers every model in every network that it is in, whatever the network and its authority say.",
        "offer-no-model-that-the-network-does-not-allow",
        "offer-nothing-without-the-role-of-a-provider",
    ),
    _does(
        "takes-any-roll",
        "Takes a roll that nobody signed, and throws its members out.",
        "NET-038",
        "serve-a-member-through-a-false-roll",
        node=skipping("NET-019"),
    ),
    # Who dials
    _skips(
        "NET-031",
        "shows-itself-to-strangers",
        "Shows its membership to whomever it dials.",
        "show-nothing-to-a-stranger",
        "show-nothing-to-a-network-of-the-same-name",
        "show-nothing-to-a-forged-descriptor",
        "show-nothing-to-a-borrowed-membership",
        "show-nothing-to-an-expired-member",
        "show-nothing-to-a-revoked-member",
        row=5,
    ),
    _does(
        "takes-peers-at-their-word",
        "Takes a membership of anybody's making for a proof, and shows itself.",
        "NET-031 NET-022",
        "show-nothing-to-a-self-made-member",
        row=10,
        node=skipping("NET-022"),
    ),
    _skips(
        "NET-032",
        "answers-before-it-asks",
        "Proves its networks to a peer that it has dialed and that has proved nothing.",
        "answer-nothing-before-it-has-asked",
    ),
    _skips(
        "NET-035",
        "asks-whoever-offers",
        "Asks in a network whoever has a quote of it.",
        "ask-nobody-who-proves-nothing",
        "ask-nobody-who-is-no-provider",
        row=10,
    ),
    _does(
        "ignores-roles",
        "Asks every member, and as any.",
        "NET-035",
        "ask-nobody-who-is-no-provider",
        "ask-nothing-without-the-role",
        adapter=initiator_with(is_of=_ignores_roles),
    ),
    _does(
        "goes-elsewhere",
        "Asks in the direct network where nobody of the one that the user named is there.",
        "NET-035",
        "ask-nowhere-else",
        adapter=initiator_with(is_of=_goes_elsewhere),
    ),
    _does(
        "mixes-its-networks",
        "Asks in any of its networks, whichever the user named.",
        "NET-035",
        "ask-no-other-network",
        adapter=initiator_with(is_of=_asks_in_any_of_its_networks),
    ),
    _skips(
        "NET-039",
        "asks-for-any-model",
        "Asks for models that the network does not allow.",
        "ask-for-no-model-that-the-network-does-not-allow",
    ),
    # How it calls
    _skips(
        "CAL-001",
        "calls-anybody",
        "Asks peers that take no calls, and strangers.",
        "call-nobody-who-takes-no-calls",
        "call-nobody-who-was-not-known",
    ),
    _does(
        "calls-all-at-once",
        "Asks for all of its networks at once.",
        "CAL-002~2",
        "keep-to-the-calls",
        adapter=initiator_with(meet=_meets_all_at_once),
    ),
    _skips(
        "CAL-003",
        "waits-for-results-for-ever",
        "Waits for the answer to a call as long as the connection lasts.",
        "give-up-a-call-that-nobody-answers",
    ),
    _does(
        "gives-calls-up-early",
        "Gives a call up after half of the time that the callee has.",
        "CAL-003",
        "give-up-a-call-that-nobody-answers",
        adapter=initiator_with(caller=_Impatient),
    ),
    _skips(
        "CAL-004",
        "takes-silence-for-consent",
        "Goes on as if it had been answered where the callee is gone.",
        "take-the-end-of-the-callee-for-no-answer",
        "take-a-reset-for-no-answer",
    ),
    _skips(
        "CAL-005",
        "acts-on-anything",
        "Takes any result for a good one.",
        "act-on-no-empty-result",
        "act-on-no-unreadable-result",
    ),
)
