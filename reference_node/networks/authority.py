"""The authority of a network: who comes in, with what, and who is out. SPEC.md section "Networks".

Whatever it signs is noted in its register first. The root key is needed for the descriptor alone, and may lie
elsewhere the rest of the time.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mycellm_proto.economy import Assurance
from mycellm_proto.errors import ErrorCode
from mycellm_proto.invite import Invite, decode_invite, encode_invite, invite_body, read_invite
from mycellm_proto.keys import KEY_SIZE, SigningKey
from mycellm_proto.limits import MAX_EPOCH, MAX_REVOKED
from mycellm_proto.membership import SERIAL_SIZE, MemberRole, Membership, Proof, read_account_epoch, read_holder
from mycellm_proto.network_calls import Joined
from mycellm_proto.networks import Admission, CreditPolicy, DataHandling, Descriptor, NetworkKind, network_id
from mycellm_proto.roll import Roll

from .errors import NetworkError, SpentError
from .folder import AUTHORITY_KEY_FILE, ROOT_KEY_FILE
from .held import HeldNetwork, hold
from .register import REGISTER_FILE, InviteRow, MemberRow, Register, Seat

if TYPE_CHECKING:
    from mycellm_proto.invite import Contact
    from mycellm_proto.network_calls import Join
    from mycellm_proto.signed import Signed

    from .folder import NetworksFolder

DESCRIPTOR_LIFE_S = 366 * 24 * 3600
MEMBERSHIP_LIFE_S = 7 * 24 * 3600
"""A membership is renewed at half its life. Who is not renewed is out after it, even for who never sees a roll."""
INVITE_LIFE_S = 7 * 24 * 3600
MAX_WITHDRAWN_EPOCH = MAX_EPOCH // 2
"""The highest epoch that an account may withdraw by itself: whoever is in can still be put out, by the next one."""
MAX_WITHDRAWN = MAX_REVOKED // 2
"""Keys on the roll up to which members put theirs there themselves: the rest is the authority's own."""

BOTH_ROLES = MemberRole.CONSUMER | MemberRole.PROVIDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the root says of a new network. ``settlement`` is a node key, None for a network without accounts."""

    name: str
    kind: NetworkKind
    admission: Admission
    models: tuple[bytes, ...] | None = None
    data_handling: DataHandling = DataHandling.OPEN
    settlement: bytes | None = None


class Authority:
    """The authority of one network, in the home of ``node`` that has its ``key``."""

    def __init__(self, folder: NetworksFolder, held: HeldNetwork, key: SigningKey, node: bytes) -> None:
        self.held = held
        self._folder = folder
        self._key = key
        self._node = node
        self._register = Register(folder.path(held.id) / REGISTER_FILE)

    @classmethod
    def load(cls, folder: NetworksFolder, held: HeldNetwork, node: bytes) -> Authority | None:
        """The authority of ``held``, where this home is its. Raises `HomeError`, `NetworkError`."""
        key = folder.key(held.id, AUTHORITY_KEY_FILE)
        return None if key is None else cls(folder, held, key, node)

    @classmethod
    def create(cls, folder: NetworksFolder, terms: Terms, node: bytes, now: float) -> Authority:
        """A new network, whose first member is ``node``. Raises `RemoteProtocolError` for terms that do not agree."""
        root, seed = SigningKey(entropy := secrets.token_bytes(KEY_SIZE)), secrets.token_bytes(KEY_SIZE)
        key = SigningKey(seed)
        descriptor = Descriptor(
            root=root.public,
            name=terms.name,
            kind=terms.kind,
            admission=terms.admission,
            revision=1,
            authority=key.public,
            models=terms.models,
            data_handling=terms.data_handling,
            assurance=Assurance.SELF_ASSERTED,
            settlement=terms.settlement,
            credit_policy=CreditPolicy.BILATERAL if terms.settlement is None else CreditPolicy.SETTLED,
            expires=int(now) + DESCRIPTOR_LIFE_S,
        )
        seat = Seat(label="the authority's node", roles=int(BOTH_ROLES), quota=0)
        first = Membership(
            network=descriptor.network,
            member=node,
            serial=secrets.token_bytes(SERIAL_SIZE),
            roles=BOTH_ROLES,
            quota=seat.quota,
            epoch=0,
            issued=int(now),
            expires=int(now) + MEMBERSHIP_LIFE_S,
        )
        held = hold(
            network=network_id(root.public),
            descriptor=descriptor.sign(root),
            proof=Proof(membership=first.sign(key)),
            roll=None,
            node=node,
            now=now,
        )
        folder.save_key(held.id, ROOT_KEY_FILE, entropy)
        folder.save_key(held.id, AUTHORITY_KEY_FILE, seed)
        folder.save(held)
        authority = cls(folder, held, key, node)
        authority._register.admit(node, seat, first.serial, int(now))
        authority._register.issued(node, first.expires)
        return authority

    # Letting in

    def invite(
        self, *, uses: int, roles: MemberRole, quota: int, life_s: int, label: str, contact: Contact, now: float
    ) -> str:
        """The text of a new invite, good ``uses`` times. Who has the text may use it."""
        if self.held.descriptor.admission is not Admission.INVITE:
            admission = self.held.descriptor.admission.name.lower()
            raise NetworkError(
                f"Nobody is invited to {self.held.name!r}: its admission is {admission}. Members join it by its id: "
                f"`network join {self.held.id.hex()} --at NODEID@IP:PORT`."
            )
        invite = Invite(
            network=self.held.id,
            serial=secrets.token_bytes(SERIAL_SIZE),
            uses=uses,
            roles=roles,
            quota=quota,
            expires=int(now) + life_s,
            contact=contact,
        )
        self._register.add_invite(
            InviteRow(
                serial=invite.serial,
                uses=uses,
                used=0,
                roles=int(roles),
                quota=quota,
                expires=invite.expires,
                label=label,
                withdrawn=False,
            )
        )
        return encode_invite(invite.sign(self._key))

    def withdraw(self, serial: bytes) -> None:
        """Let an invite be used no more; who came in by it stays. Raises `NetworkError` for an unknown one."""
        if not self._register.withdraw(serial):
            raise NetworkError("There is no such invite. `network members` lists them.")

    def admit(self, member: bytes, seat: Seat, now: float) -> MemberRow:
        """Make ``member`` one without an invite, or give a member another seat: other roles and a further quota."""
        return self._register.admit(member, seat, secrets.token_bytes(SERIAL_SIZE), int(now))

    def join(self, join: Join, *, caller: bytes, now: float) -> Joined:
        """Answer JOIN of the node ``caller``. Raises `NetworkError`, `RemoteProtocolError`."""
        certificate = read_holder(join.member, join.node_certificate, node=caller, now=now)
        roll = self.held.standing.roll
        if certificate is not None and roll is not None and roll.voids(certificate.account, certificate.epoch):
            raise NetworkError("The account has withdrawn this node certificate.", ErrorCode.NOT_MEMBER)
        row = self._admitted(join, now)
        return Joined(
            descriptor=self.held.standing.signed_descriptor,
            membership=self._issue(row, now),
            roll=self.held.standing.signed_roll,
        )

    def renew_own(self, now: float) -> None:
        """A new membership for the authority's own node, which nobody else can give it.

        The descriptor gets a new revision in time too, where the root key is here.
        """
        root = self._folder.key(self.held.id, ROOT_KEY_FILE)
        if root is not None and self.held.descriptor.expires < now + DESCRIPTOR_LIFE_S / 2:
            old = self.held.descriptor
            new = replace(old, revision=old.revision + 1, expires=int(now) + DESCRIPTOR_LIFE_S)
            self._keep(self.held.learn(descriptor=new.sign(root), now=now))
        row = self._register.member(self._node)
        if row is not None:
            self._keep(replace(self.held, proof=replace(self.held.proof, membership=self._issue(row, now))))

    # Putting out

    def revoke(self, member: bytes, now: float) -> MemberRow:
        """Put ``member`` out. Raises `NetworkError`."""
        if member == self._node:
            raise NetworkError("That is the authority's own node. Without it nobody could be let in or put out.")
        if self._roll_is_full(member, MAX_REVOKED, now):
            raise NetworkError(
                f"The roll holds {MAX_REVOKED} keys, and no more fit until the oldest are 30 days old. Withdraw the "
                "invites meanwhile."
            )
        row = self._register.revoke(member, int(now))
        self._new_roll(now)
        return row

    def revoke_certificates(self, epoch: Signed, now: float) -> None:
        """Answer REVOKE: what an account certified before its new epoch is void. Raises `RemoteProtocolError`."""
        body = read_account_epoch(epoch)
        row = self._register.member(body.account)
        if row is None or row.revoked:
            raise NetworkError("No member has this account.", ErrorCode.NOT_MEMBER)
        if body.epoch > MAX_WITHDRAWN_EPOCH or self._roll_is_full(body.account, MAX_WITHDRAWN, now):
            raise NetworkError("The epoch is too high, or the roll has no room for it. Ask the network's authority.")
        self._register.void(body.account, body.epoch, int(now))
        listed = dict(self._register.revocations(int(now))).get(body.account)
        roll = self.held.standing.roll
        # An earlier try may have ended half-way; one that is long done is no reason for another roll.
        if listed is not None and (roll is None or not roll.voids(body.account, listed - 1)):
            self._new_roll(now)

    # Looking

    def members(self) -> list[MemberRow]:
        """Every member, revoked ones too."""
        return self._register.members()

    def invites(self) -> list[InviteRow]:
        """Every invite."""
        return self._register.invites()

    # Inside

    def _roll_is_full(self, key: bytes, most: int, now: float) -> bool:
        listed = [revoked for revoked, _ in self._register.revocations(int(now))]
        return key not in listed and len(listed) >= most

    def _admitted(self, join: Join, now: float) -> MemberRow:
        """The member that JOIN is of, let in where it may come in."""
        if join.invite is not None:
            invite = read_invite(join.invite, descriptor=self.held.descriptor, now=now)
            return self._register.redeem(invite.serial, join.member, secrets.token_bytes(SERIAL_SIZE), int(now))
        row = self._register.member(join.member)
        if row is None and self.held.descriptor.admission is Admission.OPEN:
            return self.admit(join.member, Seat(label="", roles=int(BOTH_ROLES), quota=0), now)
        if row is None or row.revoked:
            raise NetworkError("The authority has not admitted this member, or has revoked it.", ErrorCode.NOT_MEMBER)
        return row

    def _issue(self, row: MemberRow, now: float) -> Signed:
        body = Membership(
            network=self.held.id,
            member=row.member,
            serial=row.serial,
            roles=MemberRole(row.roles),
            quota=row.quota,
            epoch=row.epoch,
            issued=int(now),
            expires=int(now) + MEMBERSHIP_LIFE_S,
        )
        self._register.issued(row.member, body.expires)
        return body.sign(self._key)

    def _new_roll(self, now: float) -> None:
        roll = Roll(
            network=self.held.id,
            number=self._register.next_roll(int(now)),
            issued=int(now),
            revoked=tuple(self._register.revocations(int(now))),
        )
        self._keep(self.held.learn(roll=roll.sign(self._key), now=now))

    def _keep(self, held: HeldNetwork) -> None:
        self._folder.save(held)
        self.held = held


def serial_of(text: str) -> bytes:
    """The serial number of an invite, from its text. Raises `NetworkError`."""
    try:
        return invite_body(decode_invite(text)).serial
    except ValueError as error:
        raise SpentError(f"This is no invite: {error}.") from None
