"""Networks, and what their root says of them: SPEC.md section "Networks".

A network is a root key. Its id is a hash of that key, so that a node which knows the id can check every statement made
in the network's name: the root signs the descriptor, the descriptor names the authority, the authority signs
memberships and rolls. The direct network of two nodes has no root, and needs none of this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from . import codec
from .economy import Assurance
from .errors import ErrorCode, RemoteProtocolError
from .fields import Field, Shape, array, integer, nullable, octets, registered, text
from .keys import KEY_SIZE, SigningKey
from .limits import MAX_AMOUNT, MAX_EPOCH, MAX_NETWORK_MODELS, MAX_NETWORK_NAME
from .signed import HASH_SIZE, Context, Signed, digest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)


class NetworkKind(IntEnum):
    """Who is trusted with what (registry: spec/registries/network-kinds.toml)."""

    PUBLIC = 1
    PRIVATE = 2
    ORG = 3


class Admission(IntEnum):
    """How a member comes in (registry: spec/registries/admissions.toml)."""

    OPEN = 1
    INVITE = 2
    AUTHORITY = 3


class DataHandling(IntEnum):
    """What a provider may do with what it is asked (registry: spec/registries/data-handling.toml)."""

    OPEN = 1
    ON_NODE = 2


class CreditPolicy(IntEnum):
    """Who keeps the accounts (registry: spec/registries/credit-policies.toml)."""

    BILATERAL = 1
    SETTLED = 2


DESCRIPTOR = Shape(
    "descriptor-body",
    Field(0, "root", octets(KEY_SIZE)),
    Field(1, "name", text(MAX_NETWORK_NAME, 1)),
    Field(2, "kind", registered(NetworkKind)),
    Field(3, "admission", registered(Admission)),
    Field(4, "revision", integer(MAX_EPOCH, 1)),
    Field(5, "authority", octets(KEY_SIZE)),
    Field(6, "models", nullable(array(octets(HASH_SIZE), MAX_NETWORK_MODELS))),
    Field(7, "data_handling", registered(DataHandling)),
    Field(8, "assurance", registered(Assurance)),
    Field(9, "settlement", nullable(octets(KEY_SIZE))),
    Field(10, "credit_policy", registered(CreditPolicy)),
    Field(11, "expires", integer(MAX_AMOUNT)),
    signed=True,
    code=ErrorCode.NOT_MEMBER,
    requirement="NET-011",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a network is, in its root's words. ``models`` are digests, ascending, or None for any model.

    ``settlement`` is the settlement node's key, ``expires`` in seconds since 1970.
    """

    root: bytes
    name: str
    kind: NetworkKind
    admission: Admission
    revision: int
    authority: bytes
    models: tuple[bytes, ...] | None
    data_handling: DataHandling
    assurance: Assurance
    settlement: bytes | None
    credit_policy: CreditPolicy
    expires: int

    @property
    def network(self) -> bytes:
        """The network's id (32 bytes)."""
        return network_id(self.root)

    @property
    def settled(self) -> bool:
        """Whether a settlement node keeps the accounts."""
        return self.credit_policy is CreditPolicy.SETTLED

    def allows(self, model_digest: bytes) -> bool:
        """Whether the network serves this model (NET-035)."""
        return self.models is None or model_digest in self.models

    def sign(self, root: SigningKey) -> Signed:
        """This descriptor as it travels."""
        return Signed.make(root, Context.DESCRIPTOR, DESCRIPTOR.write(self))


def network_id(root: bytes) -> bytes:
    """The id of the network of the key ``root`` (NET-010)."""
    return digest(Context.NETWORK, codec.encode({0: "rooted", 1: root}))


def blind(network: bytes, *, binding: bytes, caller: bytes) -> bytes:
    """How ``caller`` asks for ``network`` on the connection with this channel ``binding`` (NET-030).

    Whoever does not know the network's id learns nothing from it, and cannot ask back with it.
    """
    return digest(Context.BLIND, codec.encode(binding), codec.encode(caller), codec.encode(network))


def read_descriptor(signed: Signed, *, network: bytes, now: float) -> Descriptor:
    """What the root of ``network`` says of it, good at ``now``. Raises `RemoteProtocolError` (NOT_MEMBER).

    Numbers are the steps of SPEC.md, "Networks".
    """
    descriptor = Descriptor(**DESCRIPTOR.read_item(signed.body))  # 1
    if descriptor.network != network:
        raise not_member("descriptor of another network", "NET-012")
    signed.verify(descriptor.root, Context.DESCRIPTOR, code=ErrorCode.NOT_MEMBER, requirement="NET-013")
    _check_terms(descriptor)  # 2
    if now >= descriptor.expires:
        raise not_member("descriptor has expired", "NET-015")
    return descriptor


def newer_descriptor(held: Descriptor | None, offered: Descriptor) -> Descriptor:
    """Which of two descriptors of one network counts: that of the higher revision (NET-016).

    Raises `RemoteProtocolError` where one revision has two bodies (NET-017), or ``offered`` is of another network.
    """
    if held is None:
        return offered
    if held.root != offered.root:
        raise not_member("descriptor of another network", "NET-012")
    if held.revision == offered.revision and held != offered:
        raise not_member(f"revision {held.revision} has two descriptors", "NET-017")
    return offered if offered.revision > held.revision else held


def _check_terms(descriptor: Descriptor) -> None:
    """NET-014: what may stand together. Raises `RemoteProtocolError`."""
    kind, models = descriptor.kind, descriptor.models
    wrong = (
        "a name with other characters than a-z, 0-9, dot, underline and hyphen"
        if not _NAME.fullmatch(descriptor.name)
        else "models are not ascending"
        if models is not None and list(models) != sorted(set(models))
        else "a settled network names its settlement node, and no other network does"
        if descriptor.settled is (descriptor.settlement is None)
        else "a public network is open and bilateral"
        if kind is NetworkKind.PUBLIC and (descriptor.admission is not Admission.OPEN or descriptor.settled)
        else "a private network is not open"
        if kind is not NetworkKind.PUBLIC and descriptor.admission is Admission.OPEN
        else "an organisation's network is settled"
        if kind is NetworkKind.ORG and not descriptor.settled
        else None
    )
    if wrong is not None:
        raise not_member(wrong, "NET-014")


def not_member(message: str, requirement: str) -> RemoteProtocolError:
    """A peer, or what it shows, is not of the network."""
    return RemoteProtocolError(message, code=ErrorCode.NOT_MEMBER, requirement=requirement)
