"""Who is a member on which link: PROVE and SHOW, asked and answered. SPEC.md section "Networks".

Who dialed asks first, with a blinded id, and shows itself only to who has proved to be of the network. What is verified
is kept with the link and verified again whenever this node learns a newer descriptor or roll, so that a member that is
put out loses its offers on the links that stand.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.membership import Proof, verify_membership
from mycellm_proto.network_calls import Empty, Prove, Proved, Show, decode_item, encode_item
from mycellm_proto.networks import blind, not_member

from .. import log
from ..node.procedures import CallError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto.membership import VerifiedMember

    from ..node.peer_link import PeerLink
    from ..node.procedures import Procedures
    from .held import HeldNetwork
    from .networks import Networks

_log = logging.getLogger(__name__)


class Introductions:
    """Members by link. ``changed`` is called with a link whose members changed; ``now`` gives seconds since 1970."""

    def __init__(self, networks: Networks, now: Callable[[], float], changed: Callable[[PeerLink], None]) -> None:
        self._networks = networks
        self._now = now
        self._changed = changed
        self._proofs: dict[PeerLink, dict[bytes, Proof]] = {}
        networks.subscribe(self._verify_again)

    def serve(self, procedures: Procedures) -> None:
        """Answer PROVE and SHOW."""
        procedures.serve(Procedure.PROVE, self._prove)
        procedures.serve(Procedure.SHOW, self._show)

    def member(self, link: PeerLink, network: bytes) -> VerifiedMember | None:
        """The peer of ``link`` as a member of ``network``, if it showed to be one and still is."""
        return link.protocol.members.get(network)

    def forget(self, link: PeerLink) -> None:
        """``link`` is over."""
        self._proofs.pop(link, None)

    async def introduce(self, link: PeerLink) -> None:
        """Find out which of this node's networks the dialed peer is in, and show this node's membership there."""
        for held in list(self._networks):
            await self.meet(link, held)

    async def meet(self, link: PeerLink, held: HeldNetwork) -> bool:
        """PROVE, and where the peer is of the network and does not know this node yet SHOW. Whether it is."""
        try:
            known = held.id in self._proofs.get(link, {})
            await self._ask(link, held)
            return known or await self._show_own(link, held.id)
        except CallError as error:
            if error.code not in (ErrorCode.NOT_MEMBER, ErrorCode.PEER_GONE):
                log.event(_log, logging.INFO, "network.not_proved", peer=link.peer_name, code=error.code.name)
        except ProtocolError as error:
            log.event(_log, logging.WARNING, "network.bad_proof", peer=link.peer_name, broken=error.requirement)
        return False

    # What this node asks

    async def _ask(self, link: PeerLink, held: HeldNetwork) -> None:
        arguments = Prove(blind=blind(held.id, binding=link.binding, caller=self._networks.node))
        result = decode_item(Proved, await link.call(Procedure.PROVE, encode_item(arguments)))
        newest = self._renewed(held.id, result)
        self._take(link, newest, result.proof)
        if self._is_source(link, newest):
            self._networks.confirmed(held.id)

    async def _show_own(self, link: PeerLink, network: bytes) -> bool:
        held = self._networks.get(network)
        if held is None or self._networks.member(network) is None:
            return False
        proof = held.proof
        shown = Show(
            network=network,
            membership=proof.membership,
            roll=held.signed_roll,
            node_certificate=proof.node_certificate,
        )
        decode_item(Empty, await link.call(Procedure.SHOW, encode_item(shown)))
        self._changed(link)  # not before: a peer takes no offers of a network that it has not seen this node in
        return True

    # What this node answers

    async def _prove(self, link: PeerLink, arguments: bytes) -> bytes:
        asked = decode_item(Prove, arguments)
        peer = _peer(link)
        held = self._networks.blinded(asked.blind, binding=link.binding, caller=peer)
        if held is None or self._networks.member(held.id) is None:
            raise Refusal(ErrorCode.NOT_MEMBER)
        return encode_item(
            Proved(
                descriptor=held.signed_descriptor,
                membership=held.proof.membership,
                roll=held.signed_roll,
                node_certificate=held.proof.node_certificate,
            )
        )

    async def _show(self, link: PeerLink, arguments: bytes) -> bytes:
        shown = decode_item(Show, arguments)
        held = self._networks.get(shown.network)
        if held is None or self._networks.member(shown.network) is None:
            raise Refusal(ErrorCode.NOT_MEMBER)
        if shown.roll is not None:
            held = held.with_roll(shown.roll, self._now())
            self._networks.keep(held)
        self._take(link, held, shown.proof)
        self._changed(link)
        return encode_item(Empty())

    # What is known of a link

    def _renewed(self, network: bytes, proved: Proved) -> HeldNetwork:
        """This node's view of the network, with what the peer knows better."""
        held = self._networks.get(network)
        if held is None:  # it was left meanwhile
            raise not_member("this node left the network", "NET-030")
        newest = held.renewed(proved.descriptor, proved.roll, self._now())
        if newest != held:
            self._networks.keep(newest)
        return newest

    def _take(self, link: PeerLink, held: HeldNetwork, proof: Proof) -> None:
        """Verify, and remember. Raises `RemoteProtocolError` (NOT_MEMBER)."""
        member = verify_membership(
            proof, descriptor=held.descriptor, roll=held.roll, node=_peer(link), now=self._now()
        )
        self._proofs.setdefault(link, {})[held.id] = proof
        link.protocol.set_member(member)

    def _is_source(self, link: PeerLink, held: HeldNetwork) -> bool:
        """Whether the peer of ``link`` is who says what the newest roll is."""
        contact = held.contact.node if held.contact else None
        return _peer(link) in (held.descriptor.settlement, contact)

    def _verify_again(self, network: bytes) -> None:
        """A network changed here: who showed a membership of it may not be a member any more."""
        held = self._networks.get(network)
        for link, proofs in list(self._proofs.items()):
            proof = proofs.get(network)
            if proof is None:
                continue
            try:
                if held is None:
                    raise not_member("this node left the network", "NET-030")
                self._take(link, held, proof)
            except ProtocolError as error:
                log.event(_log, logging.INFO, "network.member_out", peer=link.peer_name, broken=error.requirement)
                del proofs[network]
                link.protocol.drop_member(network)
                self._changed(link)


def _peer(link: PeerLink) -> bytes:
    if link.session is None:  # calls come after the handshake
        raise not_member("no proof of a node", "NET-030")
    return link.session.peer
