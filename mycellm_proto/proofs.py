"""Which networks two nodes have proved to each other on one connection: SPEC.md section "Networks".

`Proofs` is asked before a quote is shown, before an open is signed, and before one is admitted. Who dialed goes first
in asking and last in showing; nothing here outlives the connection. The direct network needs no proof.
"""

from __future__ import annotations

from collections.abc import Callable

from .economy import DIRECT_NETWORK, Quote
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .hello import ConnectionRole, Session
from .membership import MemberRole, Proof, VerifiedMember, verify_membership
from .networks import blind, not_member
from .standing import Standing


class Proofs:
    """The proofs of one connection of the node ``own``, in ``role``; ``session`` gives who the peer is, once proved."""

    def __init__(
        self, *, role: ConnectionRole, own: bytes, binding: bytes, session: Callable[[], Session | None]
    ) -> None:
        self._role = role
        self._own = own
        self._binding = binding
        self._session = session
        self._known: dict[bytes, tuple[Standing, VerifiedMember]] = {}
        self._peer: dict[bytes, tuple[Proof, VerifiedMember]] = {}
        self._given: dict[bytes, VerifiedMember] = {}

    # What the owner tells

    def know(self, standing: Standing, own: VerifiedMember, now: float) -> None:
        """This node is in a network, as ``own``; to be said again after every change of it.

        NET-038: the peer's proof is verified anew, and is none any more where it does not hold.
        """
        network = standing.network
        self._known[network] = standing, own
        if (held := self._peer.pop(network, None)) is not None:
            try:
                self._verify(network, held[0], now)
            except RemoteProtocolError:
                return

    def leave(self, network: bytes) -> None:
        """This node is not in the network any more."""
        self._known.pop(network, None)
        self._peer.pop(network, None)
        self._given.pop(network, None)

    def take_proved(self, network: bytes, proof: Proof, now: float) -> VerifiedMember:
        """Take the peer's answer to this node's PROVE. Raises `RemoteProtocolError` where it does not hold."""
        if network not in self._known:
            raise not_member("a network that this node is not in", "NET-033")
        return self._verify(network, proof, now)

    def take_shown(self, network: bytes, proof: Proof, now: float) -> VerifiedMember:
        """Take the arguments of the peer's SHOW. Raises `RemoteProtocolError`, with which SHOW is refused.

        NET-034: what this node has not proved to the peer it does not confirm by taking a SHOW for it either.
        """
        if network not in self._known or network not in self._given:
            raise not_member("shown before it was asked for", "NET-034")
        return self._verify(network, proof, now)

    def given(self, network: bytes) -> None:
        """This node's own proof, as it is known now, is with the peer: PROVE was answered, or SHOW accepted."""
        if network in self._known:
            self._given[network] = self._known[network][1]

    # What the owner asks

    def ask(self, network: bytes) -> bytes:
        """The argument of PROVE, for a network that this node is in (NET-030)."""
        return blind(network, binding=self._binding, caller=self._own)

    def asked(self, blinded: bytes) -> bytes | None:
        """The network for which the peer's PROVE asks; None where it is refused with NOT_MEMBER (NET-032, NET-033)."""
        session = self._session()
        if session is None:
            return None
        for network in self._known:
            if blind(network, binding=self._binding, caller=session.peer) == blinded:
                dialed = self._role is ConnectionRole.INITIATOR
                return None if dialed and network not in self._peer else network
        return None

    def may_show(self, network: bytes, now: float) -> bool:
        """Whether SHOW may be called: the peer has proved the network here (NET-031)."""
        return self.peer(network, now) is not None

    def peer(self, network: bytes, now: float) -> VerifiedMember | None:
        """The peer as a member, if it has proved that on this connection and it still holds."""
        held = self._peer.get(network)
        return held[1] if held is not None and now < held[1].expires else None

    def proof(self, network: bytes) -> Proof | None:
        """What the peer proved its membership with, to be shown to the settlement node."""
        held = self._peer.get(network)
        return None if held is None else held[0]

    def mutual(self, network: bytes, now: float) -> bool:
        """Whether both nodes have proved the network to each other here (DSC-014, DSC-017)."""
        given = self._given.get(network)
        return given is not None and now < given.expires and self.peer(network, now) is not None

    # What is checked before anything is offered, ordered or admitted

    def check_quote(self, quote: Quote, now: float) -> None:
        """Whether this node may offer ``quote`` to the peer. Raises `LocalProtocolError`."""
        if quote.network == DIRECT_NETWORK:
            return
        standing, own = self._mine(quote.network, now, "NET-049")
        if MemberRole.PROVIDER not in own.roles or not standing.descriptor.allows(quote.model_digest):
            raise _forbidden("no provider of this model in the network", "NET-049")
        if self.peer(quote.network, now) is None:
            raise _forbidden("a quote for a peer that has not proved the network", "NET-048")

    def check_order(self, quote: Quote, now: float) -> None:
        """Whether this node may sign an open for ``quote`` to the peer. Raises `LocalProtocolError`."""
        if quote.network == DIRECT_NETWORK:
            return
        standing, own = self._mine(quote.network, now, "NET-035")
        peer = self.peer(quote.network, now)
        if peer is None or MemberRole.PROVIDER not in peer.roles:
            raise _forbidden("the peer has not proved that it provides in the network", "NET-035")
        given = self._given.get(quote.network)
        if given is None or now >= given.expires or MemberRole.CONSUMER not in own.roles & given.roles:
            raise _forbidden("this node has not shown that it consumes in the network", "NET-035")
        if not standing.descriptor.allows(quote.model_digest):
            raise _forbidden("the network does not allow this model", "NET-039")
        if not standing.fresh(now):
            message = "the settlement node has given out no roll for too long"
            raise LocalProtocolError(message, code=ErrorCode.SETTLEMENT_UNAVAILABLE, requirement="NET-047")

    def check_open(self, network: bytes, now: float) -> VerifiedMember | None:
        """Whom an open of the peer's is charged to; None in the direct network. Raises `RemoteProtocolError`."""
        if network == DIRECT_NETWORK:
            return None
        peer, known = self.peer(network, now), self._known.get(network)
        if peer is None or known is None or MemberRole.CONSUMER not in peer.roles:
            raise not_member("the peer has not proved that it consumes in the network", "NET-036")
        standing, own = known
        if MemberRole.PROVIDER not in own.roles or now >= own.expires:
            raise not_member("this node does not provide in the network any more", "NET-036")
        if not standing.fresh(now):
            message = "the settlement node has given out no roll for too long"
            raise RemoteProtocolError(message, code=ErrorCode.SETTLEMENT_UNAVAILABLE, requirement="NET-046")
        return peer

    # Inside

    def _verify(self, network: bytes, proof: Proof, now: float) -> VerifiedMember:
        session = self._session()
        if session is None:
            raise not_member("before authentication", "NET-037")
        standing, _ = self._known[network]
        verified = verify_membership(
            proof, descriptor=standing.descriptor, roll=standing.roll, node=session.peer, now=now
        )
        self._peer[network] = proof, verified
        return verified

    def _mine(self, network: bytes, now: float, requirement: str) -> tuple[Standing, VerifiedMember]:
        """The network as this node is in it. Raises `LocalProtocolError`."""
        known = self._known.get(network)
        if known is None or now >= known[1].expires:
            raise _forbidden("a network that this node is not in", requirement)
        return known


def _forbidden(message: str, requirement: str) -> LocalProtocolError:
    return LocalProtocolError(message, code=ErrorCode.NOT_MEMBER, requirement=requirement)
