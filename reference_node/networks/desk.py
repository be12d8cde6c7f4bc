"""What an owner and an administrator do with networks: one method an action, each with an answer as JSON.

The admin API and the command line give these answers alike, with a running node or without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.invite import Contact
from mycellm_proto.membership import MemberRole
from mycellm_proto.nodeid import encode_node_id

from ..keyring import read_epoch
from .authority import INVITE_LIFE_S, serial_of
from .errors import NetworkError
from .joining import join, read_text, revoke
from .networks import MAX_NETWORKS
from .places import packed
from .register import Seat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mycellm_proto.signed import Signed

    from ..config import Address, PeerAddress
    from ..keyring import Installed
    from ..node.peer_link import PeerLink
    from .authority import Terms
    from .held import HeldNetwork
    from .networks import Networks
    from .register import InviteRow, MemberRow

Answer = dict[str, Any]
MAX_LABEL = 64
"""Characters of what an administrator calls a member."""


class Desk:
    """Networks for people. ``reach`` connects to the node of a contact; ``card`` reads this node's certificate."""

    def __init__(
        self,
        networks: Networks,
        *,
        now: Callable[[], float],
        reach: Callable[[Contact], Awaitable[PeerLink]],
        card: Callable[[], Installed | None],
    ) -> None:
        self._networks = networks
        self._now = now
        self._reach = reach
        self._card = card

    @property
    def node(self) -> bytes:
        """This node's key."""
        return self._networks.node

    # A member's

    def show(self, name: str | None = None) -> Answer:
        """One network, or all of them."""
        held = list(self._networks) if name is None else [self._networks.find(name)]
        return {"networks": [self._view(each) for each in held]}

    async def join(self, text: str, *, as_node: bool = False) -> Answer:
        """Become a member by an invite: as this node's account where it has one, or ``as_node``.

        Raises `NetworkError`, `KeyringError`.
        """
        signed, invite = read_text(text)
        return await self._join(invite.contact, invite.network, signed, as_node=as_node)

    async def join_at(self, network: bytes, authority: PeerAddress, *, as_node: bool = False) -> Answer:
        """Become a member without an invite, of an open network or where the authority has admitted this node.

        Raises `NetworkError`, `KeyringError`.
        """
        contact = Contact(node=authority.node_id, addresses=(packed(authority.address),))
        return await self._join(contact, network, None, as_node=as_node)

    async def renew(self, held: HeldNetwork) -> None:
        """Get a new membership before the old one runs out. Raises `NetworkError`, `KeyringError`."""
        if self._networks.is_authority(held.id):
            self._networks.authority(held.id).renew_own(self._now())
            self._networks.changed(held.id)
        elif held.contact is not None:
            card = None if held.proof.node_certificate is None else self._card()
            await self._ask(held.contact, held.id, None, card)

    def leave(self, name: str) -> Answer:
        """Be a member no more. Raises `NetworkError`."""
        held = self._networks.find(name)
        self._networks.leave(held.id)
        return {"left": {"id": held.id.hex(), "name": held.name}}

    # An authority's

    def create(self, terms: Terms) -> Answer:
        """A new network, whose authority this node is. Raises `NetworkError`."""
        try:
            return {"created": self._view(self._networks.create(terms))}
        except RemoteProtocolError as error:  # the same rule that keeps others' descriptors out
            raise NetworkError(f"These terms do not agree: {error}.", ErrorCode.MALFORMED) from None

    def invite(
        self,
        name: str,
        addresses: list[Address],
        *,
        uses: int = 1,
        roles: MemberRole = MemberRole.CONSUMER,
        quota: int = 0,
        life_s: int = INVITE_LIFE_S,
        label: str = "",
    ) -> Answer:
        """The text of a new invite, which is a secret. Raises `NetworkError`."""
        held = self._networks.find(name)
        text = self._networks.authority(held.id).invite(
            uses=uses,
            roles=roles,
            quota=quota,
            life_s=life_s,
            label=_label(label),
            contact=Contact(node=self._networks.node, addresses=tuple(packed(address) for address in addresses)),
            now=self._now(),
        )
        return {"invite": text, "uses": uses, "contact": [str(address) for address in addresses]}

    def withdraw(self, name: str, invite: str) -> Answer:
        """Let an invite (its text, or its serial number) be used no more. Raises `NetworkError`."""
        held = self._networks.find(name)
        serial = bytes.fromhex(invite) if _is_hex(invite) else serial_of(invite)
        self._networks.authority(held.id).withdraw(serial)
        return {"withdrawn": serial.hex()}

    def admit(self, name: str, member: bytes, *, roles: MemberRole, quota: int, label: str = "") -> Answer:
        """Admit a key, or give a member other roles and a further quota. Raises `NetworkError`."""
        held = self._networks.find(name)
        seat = Seat(label=_label(label), roles=int(roles), quota=quota)
        row = self._networks.authority(held.id).admit(member, seat, self._now())
        return {"admitted": self._member(row)}

    def members(self, name: str) -> Answer:
        """Everybody who is or was a member, and every invite. Raises `NetworkError`."""
        held = self._networks.find(name)
        authority = self._networks.authority(held.id)
        return {
            "network": {"id": held.id.hex(), "name": held.name},
            "members": [self._member(row) for row in authority.members()],
            "invites": [self._invite(row) for row in authority.invites()],
        }

    def revoke(self, name: str, member: bytes) -> Answer:
        """Put a member out. Raises `NetworkError`."""
        held = self._networks.find(name)
        row = self._networks.authority(held.id).revoke(member, self._now())
        self._networks.changed(held.id)
        return {"revoked": self._member(row) | {"state": "revoked"}}

    async def revoke_certificates(self, name: str, statement: str) -> Answer:
        """Let an account's older node certificates be void, by its own ``statement``. Raises `NetworkError`,
        `KeyringError`.

        The authority takes it here; a member sends it to the authority's node.
        """
        signed, epoch = read_epoch(statement)
        held = self._networks.find(name)
        if self._networks.is_authority(held.id):
            self._networks.authority(held.id).revoke_certificates(signed, self._now())
            self._networks.changed(held.id)
        elif held.contact is not None:
            await revoke(await self._reach(held.contact), signed)
        return {"voided": {"account": encode_node_id(epoch.account), "before_epoch": epoch.epoch}}

    # Inside

    async def _join(self, contact: Contact, network: bytes, invite: Signed | None, *, as_node: bool) -> Answer:
        if len(list(self._networks)) >= MAX_NETWORKS and network not in self._networks:
            raise NetworkError(f"This node is in {MAX_NETWORKS} networks already. `network leave` one of them.")
        card = None if as_node else self._card()
        return {"joined": self._view(await self._ask(contact, network, invite, card))}

    async def _ask(
        self, contact: Contact, network: bytes, invite: Signed | None, card: Installed | None
    ) -> HeldNetwork:
        held = await join(
            await self._reach(contact),
            network=network,
            invite=invite,
            certificate=None if card is None else card.signed,
            member=self._networks.node if card is None else card.body.account,
            node=self._networks.node,
            contact=contact,
            now=self._now,
        )
        self._networks.keep(held)
        return held

    def _view(self, held: HeldNetwork) -> Answer:
        descriptor = held.descriptor
        member = self._networks.member(held.id)
        return {
            "id": held.id.hex(),
            "name": held.name,
            "kind": descriptor.kind.name.lower(),
            "admission": descriptor.admission.name.lower(),
            "credit": descriptor.credit_policy.name.lower(),
            "data_handling": descriptor.data_handling.name.lower(),
            "models": None if descriptor.models is None else [digest.hex() for digest in descriptor.models],
            "settlement": None if descriptor.settlement is None else encode_node_id(descriptor.settlement),
            "revision": descriptor.revision,
            "authority": self._networks.is_authority(held.id),
            "member": member is not None,
            "roles": [] if member is None else _roles(member.roles),
            "quota": 0 if member is None else member.quota,
            "member_until": None if member is None else member.expires,
            "roll": 0 if held.standing.roll is None else held.standing.roll.number,
        }

    def _member(self, row: MemberRow) -> Answer:
        return {
            "member": encode_node_id(row.member),
            "label": row.label,
            "roles": _roles(MemberRole(row.roles)),
            "quota": row.quota,
            "admitted": row.admitted,
            "member_until": row.expires or None,
            "state": "revoked" if row.revoked else "member" if row.expires > self._now() else "not joined",
        }

    def _invite(self, row: InviteRow) -> Answer:
        spent = row.withdrawn or row.used >= row.uses or row.expires <= self._now()
        return {
            "serial": row.serial.hex(),
            "label": row.label,
            "uses": row.uses,
            "used": row.used,
            "roles": _roles(MemberRole(row.roles)),
            "quota": row.quota,
            "expires": row.expires,
            "state": "withdrawn" if row.withdrawn else "spent" if spent else "open",
        }


def _label(label: str) -> str:
    if len(label) > MAX_LABEL:
        raise NetworkError(f"A label has at most {MAX_LABEL} characters.", ErrorCode.MALFORMED)
    return label


def _roles(roles: MemberRole) -> list[str]:
    return [str(role.name).lower() for role in MemberRole if role in roles]


def _is_hex(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)
