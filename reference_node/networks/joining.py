"""JOIN, asked and answered: how a node becomes a member, and stays one. SPEC.md section "Networks"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.invite import decode_invite, invite_body
from mycellm_proto.membership import MEMBERSHIP, Proof
from mycellm_proto.network_calls import Empty, Join, Joined, Revoke, decode_item, encode_item

from ..procedures import CallError, Refusal
from .errors import NetworkError
from .held import HeldNetwork, hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto.invite import Contact, Invite
    from mycellm_proto.signed import Signed

    from ..node.peer_link import PeerLink
    from ..procedures import Procedures
    from .networks import Networks

_REASONS = {
    ErrorCode.INVITE_SPENT: "The invite is used up, withdrawn or expired. Ask for a new one.",
    ErrorCode.NOT_MEMBER: "The network's authority does not admit this node.",
    ErrorCode.NOT_ALLOWED: "The network's authority does not admit this node.",
    ErrorCode.UNSUPPORTED: "The node in the invite is no authority of any network now.",
    ErrorCode.PEER_GONE: "The connection to the network's authority was lost. Try again.",
    ErrorCode.TIMEOUT: "The network's authority did not answer in time. Try again.",
}


class Reception:
    """Answers JOIN and REVOKE for the networks whose authority this node is."""

    def __init__(self, networks: Networks, now: Callable[[], float]) -> None:
        self._networks = networks
        self._now = now

    def serve(self, procedures: Procedures) -> None:
        """Answer both."""
        procedures.serve(Procedure.JOIN, self._join)
        procedures.serve(Procedure.REVOKE, self._revoke)

    async def _join(self, link: PeerLink, arguments: bytes) -> bytes:
        join = decode_item(Join, arguments)
        if link.session is None or not self._networks.is_authority(join.network):
            raise Refusal(ErrorCode.NOT_MEMBER)
        try:
            return encode_item(
                self._networks.authority(join.network).join(join, caller=link.session.peer, now=self._now())
            )
        except NetworkError as error:
            raise Refusal(error.code) from error

    async def _revoke(self, link: PeerLink, arguments: bytes) -> bytes:
        epoch = decode_item(Revoke, arguments).epoch
        revoked = False
        for held in list(self._networks):
            if self._networks.is_authority(held.id):
                try:
                    self._networks.authority(held.id).revoke_certificates(epoch, self._now())
                except NetworkError:
                    continue
                revoked = True
                self._networks.changed(held.id)
        if not revoked:
            raise Refusal(ErrorCode.NOT_MEMBER)
        return encode_item(Empty())


def read_text(text: str) -> tuple[Signed, Invite]:
    """The invite that a user pasted. Raises `NetworkError`."""
    try:
        signed = decode_invite(text.strip())
        return signed, invite_body(signed)
    except ValueError as error:
        raise NetworkError(f"This is no invite: {error}.", ErrorCode.INVITE_SPENT) from None


async def join(
    link: PeerLink,
    *,
    network: bytes,
    invite: Signed | None,
    certificate: Signed | None,
    member: bytes,
    node: bytes,
    contact: Contact,
    now: Callable[[], float],
) -> HeldNetwork:
    """Ask the authority's node at ``link`` to make ``member`` one, or to renew it. Raises `NetworkError`.

    ``member`` is this node's key, or its account's with the ``certificate`` of that account.
    """
    asked = Join(network=network, invite=invite, member=member, node_certificate=certificate)
    try:
        joined = decode_item(Joined, await link.call(Procedure.JOIN, encode_item(asked)))
        return hold(
            network=network,
            descriptor=joined.descriptor,
            proof=Proof(membership=joined.membership, node_certificate=certificate),
            roll=joined.roll,
            node=node,
            now=now(),
            contact=contact,
        )
    except CallError as error:
        message = _REASONS.get(error.code, f"The network's authority refused: {error.code.name}.")
        raise NetworkError(message, error.code) from error
    except ProtocolError as error:
        message = f"What the network's authority answered proves nothing ({error.requirement}). It was not joined."
        raise NetworkError(message, error.code) from error


async def revoke(link: PeerLink, statement: Signed) -> None:
    """Hand an account's new epoch to the authority's node at ``link``. Raises `NetworkError`."""
    try:
        decode_item(Empty, await link.call(Procedure.REVOKE, encode_item(Revoke(epoch=statement))))
    except CallError as error:
        message = _REASONS.get(error.code, f"The network's authority refused: {error.code.name}.")
        raise NetworkError(message, error.code) from error
    except ProtocolError as error:
        raise NetworkError("What the network's authority answered cannot be read.", error.code) from error


def half_over(held: HeldNetwork, now: float) -> bool:
    """Whether it is time to renew the membership."""
    membership = MEMBERSHIP.read_item(held.proof.membership.body)
    return now >= (int(membership["issued"]) + int(membership["expires"])) / 2
