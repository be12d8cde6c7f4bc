"""Who is a member on which link: PROVE and SHOW, asked and answered. SPEC.md section "Networks".

Who dialed asks first, with a blinded id, and shows itself only to who has proved to be of the network. What was proved
is kept with the protocol's connection (`Proofs`), and verified anew whenever this node learns a newer descriptor or
roll: a member that is put out loses its offers on the links that stand.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.network_calls import Empty, Prove, Proved, Show, decode_item, encode_item

from .. import log
from ..procedures import CallError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mycellm_proto.membership import MemberRole, VerifiedMember

    from ..node.peer_link import PeerLink
    from ..procedures import Procedures
    from .held import HeldNetwork
    from .networks import Networks

_log = logging.getLogger(__name__)


class Introductions:
    """``links`` gives the links that stand; ``changed`` is called with one on which something was proved or fell,
    ``shown`` with who proved to be a member; ``now`` gives seconds since 1970.
    """

    def __init__(
        self,
        networks: Networks,
        *,
        now: Callable[[], float],
        links: Callable[[], Iterable[PeerLink]],
        changed: Callable[[PeerLink], None],
        shown: Callable[[VerifiedMember], None] = lambda _: None,
    ) -> None:
        self._networks = networks
        self._now = now
        self._links = links
        self._changed = changed
        self._shown = shown
        self._told: dict[bytes, object] = {}
        networks.subscribe(self._network_changed)

    def serve(self, procedures: Procedures) -> None:
        """Answer PROVE and SHOW."""
        procedures.serve(Procedure.PROVE, self._prove)
        procedures.serve(Procedure.SHOW, self._show)

    def plays(self, link: PeerLink, network: bytes, role: MemberRole) -> bool:
        """Whether the peer of ``link`` has proved that it may be ``role`` in ``network``."""
        member = link.protocol.proofs.peer(network, self._now())
        return member is not None and role in member.roles

    def authenticated(self, link: PeerLink) -> None:
        """A link stands: it may be asked for any network of this node."""
        for held in self._networks:
            self._know(link, held)

    async def introduce(self, link: PeerLink) -> None:
        """Find out which of this node's networks the dialed peer is in, and show this node's membership there."""
        for held in list(self._networks):
            await self.meet(link, held)

    async def meet(self, link: PeerLink, held: HeldNetwork) -> None:
        """PROVE, and where the peer is of the network SHOW. What the peer knows better is learnt."""
        if self._networks.member(held.id) is None:
            return
        try:
            await self._ask(link, held.id)
            await self._show_own(link, held.id)
        except CallError as error:
            if error.code not in (ErrorCode.NOT_MEMBER, ErrorCode.PEER_GONE):
                log.event(_log, logging.INFO, "network.not_proved", peer=link.peer_name, code=error.code.name)
        except ProtocolError as error:
            log.event(_log, logging.WARNING, "network.bad_proof", peer=link.peer_name, broken=error.requirement)

    # What this node asks

    async def _ask(self, link: PeerLink, network: bytes) -> None:
        proofs = link.protocol.proofs
        proved = decode_item(Proved, await link.call(Procedure.PROVE, encode_item(Prove(blind=proofs.ask(network)))))
        self._learn(network, lambda held: held.learn(descriptor=proved.descriptor, roll=proved.roll, now=self._now()))
        member = proofs.take_proved(network, proved.proof, self._now())
        self._shown(member)
        held = self._networks.get(network)
        if held is not None and held.descriptor.settlement == member.node:  # NET-045
            self._networks.confirmed(network)

    async def _show_own(self, link: PeerLink, network: bytes) -> None:
        """Show this node to a peer that has not seen it as it is now."""
        held = self._networks.get(network)
        if held is None or not link.protocol.proofs.may_show(network, self._now()):
            return
        shown = Show(
            network=network,
            membership=held.proof.membership,
            roll=held.standing.signed_roll,
            node_certificate=held.proof.node_certificate,
        )
        decode_item(Empty, await link.call(Procedure.SHOW, encode_item(shown)))
        link.protocol.proofs.given(network)
        self._changed(link)

    # What this node answers

    async def _prove(self, link: PeerLink, arguments: bytes) -> bytes:
        network = link.protocol.proofs.asked(decode_item(Prove, arguments).blind)
        held = None if network is None else self._networks.get(network)
        if network is None or held is None or self._networks.member(network) is None:
            raise Refusal(ErrorCode.NOT_MEMBER)
        link.protocol.proofs.given(network)
        return encode_item(
            Proved(
                descriptor=held.standing.signed_descriptor,
                membership=held.proof.membership,
                roll=held.standing.signed_roll,
                node_certificate=held.proof.node_certificate,
            )
        )

    async def _show(self, link: PeerLink, arguments: bytes) -> bytes:
        shown = decode_item(Show, arguments)
        if shown.network in self._networks and shown.roll is not None:
            self._learn(shown.network, lambda held: held.learn(roll=shown.roll, now=self._now()))
        self._shown(link.protocol.proofs.take_shown(shown.network, shown.proof, self._now()))
        self._changed(link)
        return encode_item(Empty())

    # What this node knows

    def _learn(self, network: bytes, learned: Callable[[HeldNetwork], HeldNetwork]) -> None:
        held = self._networks.get(network)
        if held is not None:
            self._networks.keep(learned(held))

    def _know(self, link: PeerLink, held: HeldNetwork) -> None:
        own = self._networks.member(held.id)
        if own is None:
            link.protocol.proofs.leave(held.id)
        else:
            link.protocol.proofs.know(held.standing, own, self._now())

    def _network_changed(self, network: bytes) -> None:
        held = self._networks.get(network)
        standing = None if held is None else (held.descriptor, held.standing.roll, held.proof)
        offers_differ = self._told.get(network) != standing  # a confirmation alone changes no offer
        self._told[network] = standing
        for link in list(self._links()):
            if not link.usable:
                continue
            if held is None:
                link.protocol.proofs.leave(network)
            else:
                self._know(link, held)
            if offers_differ:
                self._changed(link)
