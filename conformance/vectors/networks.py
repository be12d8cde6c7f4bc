"""Families of networks: descriptor, roll, membership, invite, revocation, arguments."""

from __future__ import annotations

import base64
import re

from conformance import dcbor
from conformance.dcbor import Item, NotDeterministicError

from .outcome import Case, Json, Outcome, accept, reject
from .rules import Check, Rules

_PUBLIC, _ORG = 1, 3
_OPEN = 1
_SETTLED = 2
_PROVIDER = 2
_SKEW = 120
_MONTH = 30 * 86_400
_MOST_OF_AN_INVITE = 1024
_PREFIX = "mycellm-invite:"
_DESCRIPTOR = (
    "root", "name", "kind", "admission", "revision", "authority", "models", "data_handling", "assurance",
    "settlement", "credit_policy", "expires",
)  # fmt: skip
_LOST = "NOT_MEMBER"


class Networks(Rules):
    """SPEC.md, "Networks", and what "Identity" says of accounts."""

    def descriptor(self, case: Case) -> Outcome:
        """A descriptor, offered to a verifier that may hold one."""
        body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
        value = self.judge_descriptor(body, signature, bytes.fromhex(case["network"]), case["now"])
        if value is None:
            return reject(code=_LOST)
        held = self._body(case["held"])
        code = self.refusal(Check("NET-017", held is None or held[4] != value[4] or held == value, _LOST))
        if code is not None:
            return reject(code=code)
        fields = {name: _hexed(value[key]) for key, name in enumerate(_DESCRIPTOR)}
        return accept(fields=fields, revision=self.which_counts(held and held[4], value[4]))

    def judge_descriptor(self, body: bytes, signature: bytes, network: bytes, now: int) -> Item:
        """The descriptor of ``network`` (points 1 and 2); None where it is none."""
        value = self.value_of("descriptor-body", body)
        if value is None:
            return None
        code = self.refusal(
            Check("NET-012", self.network_of(value[0]) == network, _LOST),
            Check("NET-013", self.is_signed_by(value[0], "mycellm/descriptor/v1", body, signature), _LOST),
            Check("NET-014", self.fits(value), _LOST),
            Check("NET-015", now < value[11], _LOST),
        )
        return value if code is None else None

    def network_of(self, root: bytes) -> bytes:
        """The id of the network of a root (NET-010)."""
        return self.name("mycellm/network/v1", self.encode({0: "rooted", 1: root}))

    def fits(self, value: Item) -> bool:
        """Whether what a descriptor says may stand together (point 2)."""
        _, name, kind, admission, _, _, models, _, _, settlement, policy, _ = (value[key] for key in range(12))
        public = kind == _PUBLIC
        return bool(
            re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name, re.ASCII)
            and models in (None, sorted(set(models or ())))
            and (settlement is not None) == (policy == _SETTLED)
            and (admission == _OPEN) == public
            and not (public and policy == _SETTLED)
            and not (kind == _ORG and policy != _SETTLED)
        )

    def which_counts(self, held: int | None, offered: int) -> int:
        """The revision, or number, of the one that counts (NET-016, NET-027)."""
        return offered if held is None else max(held, offered)

    def roll(self, case: Case) -> Outcome:
        """A roll, offered to a verifier that may hold one."""
        body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
        value = self.judge_roll(body, signature, self._body(case["descriptor"]), case["now"])
        if value is None:
            return reject(code=_LOST)
        held = self._body(case["held"])
        code = self.refusal(Check("NET-028", held is None or held[1] != value[1] or held == value, _LOST))
        return accept(number=self.which_counts(held and held[1], value[1])) if code is None else reject(code=code)

    def judge_roll(self, body: bytes, signature: bytes, descriptor: Item, now: int) -> Item:
        """The roll of a network (point 3); None where it is none."""
        value = self.value_of("roll-body", body)
        if value is None:
            return None
        keys = [key for key, _ in value[3]]
        signed = self.is_signed_by(descriptor[5], "mycellm/roll/v1", body, signature)
        code = self.refusal(
            Check("NET-018", value[0] == self.network_of(descriptor[0]) and keys == sorted(set(keys)), _LOST),
            Check("NET-019", signed and value[2] <= now + _SKEW, _LOST),
        )
        return value if code is None else None

    def membership(self, case: Case) -> Outcome:
        """A node, with all that it shows of itself and of the network."""
        network, node, now = bytes.fromhex(case["network"]), bytes.fromhex(case["node"]), case["now"]
        descriptor = self.judge_descriptor(*self._parts(case["descriptor"]), network, now)
        if descriptor is None:
            return reject(code=_LOST)
        roll = None
        if case["roll"] is not None:
            roll = self.judge_roll(*self._parts(case["roll"]), descriptor, now)
            if roll is None:
                return reject(code=_LOST)
        member = self.judge_membership(*self._parts(case["membership"]), descriptor, now)
        if member is None:
            return reject(code=_LOST)
        certificate = None
        if case["node_certificate"] is not None:
            certificate = self.judge_certificate(*self._parts(case["node_certificate"]), member[1], node, now)
            if certificate is None:
                return reject(code=_LOST)
        roles = self.roles(member, certificate, descriptor)
        code = self.refusal(
            Check("NET-024", certificate is not None or member[1] == node, _LOST),
            Check("NET-025", roles & case["role"] == case["role"], _LOST),
            Check("NET-026", not self.is_void(roll, descriptor, member, certificate), _LOST),
        )
        if code is not None:
            return reject(code=code)
        ends = [member[7], descriptor[11]] + ([certificate[5]] if certificate else [])
        return accept(member=member[1].hex(), roles=roles, serial=member[2].hex(), quota=member[4], expires=min(ends))

    def judge_membership(self, body: bytes, signature: bytes, descriptor: Item, now: int) -> Item:
        """The membership (points 4 and 5); None where it is none."""
        value = self.value_of("membership-body", body)
        if value is None:
            return None
        code = self.refusal(
            Check("NET-021", value[0] == self.network_of(descriptor[0]), _LOST),
            Check("NET-022", self.is_signed_by(descriptor[5], "mycellm/membership/v1", body, signature), _LOST),
            Check("NET-023", self.is_in_time(value[6], value[7], now), _LOST),
        )
        return value if code is None else None

    def judge_certificate(self, body: bytes, signature: bytes, member: bytes, node: bytes, now: int) -> Item:
        """The node certificate of an account (point 6); None where it is none."""
        value = self.value_of("node-certificate-body", body)
        if value is None:
            return None
        code = self.refusal(
            Check("KEY-011", (value[0], value[1]) == (member, node), _LOST),
            Check("KEY-012", self.is_signed_by(value[0], "mycellm/node-certificate/v1", body, signature), _LOST),
            Check("KEY-013", self.is_in_time(value[4], value[5], now), _LOST),
        )
        return value if code is None else None

    def is_in_time(self, issued: int, expires: int, now: int) -> bool:
        """Whether a certificate is good now (point 5)."""
        return issued <= expires <= issued + _MONTH and issued <= now + _SKEW and now < expires

    def roles(self, member: Item, certificate: Item, descriptor: Item) -> int:
        """The roles of a node (point 7)."""
        if certificate is None:
            return int(member[3])
        roles = member[3] & certificate[2]
        return int(roles & ~_PROVIDER if descriptor[2] == _ORG else roles)

    def is_void(self, roll: Item, descriptor: Item, member: Item, certificate: Item) -> bool:
        """Whether the roll says so (point 8)."""
        revoked = dict(roll[3]) if roll else {}
        looked_at = [(descriptor[5], member[5]), (member[1], member[5])]
        if certificate is not None:
            looked_at += [(certificate[0], certificate[3]), (certificate[1], certificate[3])]
        return any(epoch < revoked.get(key, 0) for key, epoch in looked_at)

    def invite(self, case: Case) -> Outcome:
        """An invite's text: read and judged, or written."""
        if "invite" in case:
            return accept(text=self.write_invite(bytes.fromhex(case["invite"])))
        signed = self.read_invite(case["text"])
        if signed is None:
            return reject()
        value = self.value_of("invite-body", signed[0])
        if value is None:
            return reject()
        descriptor = self._body(case["descriptor"])
        good = (
            value[0] == self.network_of(descriptor[0])
            and self.is_signed_by(descriptor[5], "mycellm/invite/v1", signed[0], signed[1])
            and case["now"] < value[5]
        )
        if self.refusal(Check("NET-041", good, "INVITE_SPENT")) is not None:
            return reject()
        addresses = [{"ip": ip.hex(), "port": port} for ip, port in value[6][1]]
        return accept(
            serial=value[1].hex(),
            uses=value[2],
            roles=value[3],
            quota=value[4],
            expires=value[5],
            contact={"node": value[6][0].hex(), "addresses": addresses},
        )

    def write_invite(self, data: bytes) -> str:
        """An invite as people paste it (NET-043)."""
        return _PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("=")

    def read_invite(self, text: str) -> Item:
        """The signed object that is written so (NET-042); None where none is."""
        body = text.removeprefix(_PREFIX)
        try:
            data = base64.urlsafe_b64decode(body.encode("ascii") + b"=" * (-len(body) % 4))
            signed = self.decode(data)
        except (ValueError, NotDeterministicError):
            return None
        if len(data) > _MOST_OF_AN_INVITE or not self.is_signed(signed):
            return None
        return signed if Networks.write_invite(self, data) == text else None

    def revocation(self, case: Case) -> Outcome:
        """An account's epoch."""
        body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
        value = self.value_of("account-epoch-body", body)
        if value is None:
            return reject(code="MALFORMED")
        signed = self.is_signed_by(value[0], "mycellm/account-epoch/v1", body, signature)
        code = self.refusal(Check("KEY-015", signed, "NOT_ALLOWED"))
        return accept(account=value[0].hex(), epoch=value[1]) if code is None else reject(code=code)

    def arguments(self, case: Case) -> Outcome:
        """What goes into a call of networks, or comes out."""
        value = self.value_of(case["rule"], bytes.fromhex(case["hex"]))
        return reject(code="MALFORMED") if value is None else accept()

    def value_of(self, rule: str, data: bytes) -> Item:
        """The item in ``data``, where it is one of this rule; else None."""
        try:
            value = self.decode(data)
        except NotDeterministicError:
            return None
        return value if self.broken(rule, value) is None else None

    def _parts(self, data: str) -> tuple[bytes, bytes]:
        body, signature = self.decode(bytes.fromhex(data))
        return body, signature

    def _body(self, data: str | None) -> Item:
        """The body of a signed object that was verified before."""
        return None if data is None else dcbor.decode(self._parts(data)[0])


def _hexed(value: Item) -> Json:
    if isinstance(value, list):
        return [each.hex() for each in value]
    return value.hex() if isinstance(value, bytes) else value
