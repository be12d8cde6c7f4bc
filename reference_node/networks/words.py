"""How people write what a network is, and what a member may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole
from mycellm_proto.networks import Admission, DataHandling, NetworkKind
from mycellm_proto.nodeid import decode_node_id
from mycellm_proto.signed import HASH_SIZE

from .authority import Terms
from .errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SELF = "self"
"""How people write this node as the settlement node."""


def terms(
    name: str,
    *,
    kind: str,
    admission: str | None,
    settlement: str | None,
    models: Sequence[bytes] | None,
    data_handling: str,
    node: bytes,
) -> Terms:
    """The terms that these words mean; ``node`` is this node's key. Raises `NetworkError`."""
    chosen = NetworkKind[kind.upper()]
    public = chosen is NetworkKind.PUBLIC
    default = Admission.OPEN if public else Admission.INVITE
    return Terms(
        name=name,
        kind=chosen,
        admission=default if admission is None else Admission[admission.upper()],
        models=None if models is None else tuple(sorted(set(models))),
        data_handling=DataHandling[data_handling.upper()],
        settlement=None if public or settlement is None else _settlement(settlement, node),
    )


def parse_roles(words: Iterable[str]) -> MemberRole:
    """``consumer`` and ``provider``, as bits."""
    roles = MemberRole(0)
    for word in words:
        roles |= MemberRole[word.upper()]
    return roles


def parse_digest(text: str) -> bytes:
    """The digest of a model in hexadecimal. Raises `ValueError`."""
    digest = bytes.fromhex(text)
    if len(digest) != HASH_SIZE:
        raise ValueError(f"a digest has {2 * HASH_SIZE} hexadecimal digits")
    return digest


def _settlement(text: str, node: bytes) -> bytes:
    if text == SELF:
        return node
    try:
        return decode_node_id(text)
    except ValueError as error:
        raise NetworkError(f"The settlement node {text[:100]!r}: {error}.", ErrorCode.MALFORMED) from None
