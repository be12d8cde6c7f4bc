"""The networks in a home directory: one folder each, named by the network's id.

``member.cbor`` holds the statements that make this node a member; where this home is the authority's, ``root.key`` and
``authority.key`` lie beside it. All of it is the owner's alone (0600), and each file is replaced as a whole.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from typing import TYPE_CHECKING

from mycellm_proto import codec
from mycellm_proto.errors import ProtocolError
from mycellm_proto.invite import contact_kind
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_CALL
from mycellm_proto.membership import Proof
from mycellm_proto.nodeid import decode_key, encode_key
from mycellm_proto.signed import Signed
from mycellm_proto.standing import Standing

from .. import log
from ..identity import SEED_PART, HomeError, create_secret, make_home, read_secret, replace_secret
from .held import HeldNetwork

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS_FOLDER = "networks"
MEMBER_FILE = "member.cbor"
ROOT_KEY_FILE = "root.key"
AUTHORITY_KEY_FILE = "authority.key"

CONTACT = contact_kind()

_log = logging.getLogger(__name__)


class NetworksFolder:
    """The networks of the node in ``home``."""

    def __init__(self, home: Path) -> None:
        self._root = home / NETWORKS_FOLDER

    def load(self, now: float) -> list[HeldNetwork]:
        """Every network, also where the membership has run out and is to be renewed; what is damaged is logged."""
        found = []
        for path in sorted(self._root.glob(f"*/{MEMBER_FILE}")):
            try:
                found.append(self._read(path, now))
            except (ProtocolError, ValueError, HomeError) as error:
                log.event(_log, logging.WARNING, "network.unusable", path=str(path), reason=str(error))
        return found

    def save(self, held: HeldNetwork) -> None:
        """Keep ``held``. Raises `HomeError`."""
        certificate, roll = held.proof.node_certificate, held.standing.signed_roll
        value: codec.Value = [
            held.standing.signed_descriptor.to_value(),
            held.proof.membership.to_value(),
            None if certificate is None else certificate.to_value(),
            None if roll is None else roll.to_value(),
            None if held.contact is None else CONTACT.write(held.contact),
        ]
        path = self.path(held.id)
        make_home(path)
        replace_secret(path / MEMBER_FILE, codec.encode(value))

    def forget(self, network: bytes) -> None:
        """Remove a network with all that belongs to it, its keys too. Raises `HomeError`."""
        try:
            shutil.rmtree(self.path(network))
        except FileNotFoundError:
            return
        except OSError as error:
            raise HomeError(f"Cannot remove {self.path(network)}: {error.strerror}.") from None

    def path(self, network: bytes) -> Path:
        """The folder of a network."""
        return self._root / network.hex()

    def key(self, network: bytes, name: str) -> SigningKey | None:
        """The authority's key or the root's, where this home has it. Raises `HomeError`."""
        content = read_secret(self.path(network) / name)
        return None if content is None else read_key(content, self.path(network) / name)

    def save_key(self, network: bytes, name: str, seed: bytes) -> SigningKey:
        """Keep a new key of the network. Raises `HomeError` where the file cannot be written, or exists."""
        make_home(self.path(network))
        if not create_secret(self.path(network) / name, encode_key(SEED_PART, seed).encode() + b"\n"):
            raise HomeError(f"{self.path(network) / name} exists already.")
        return SigningKey(seed)

    def _read(self, path: Path, now: float) -> HeldNetwork:
        content = read_secret(path, MAX_CALL)
        match codec.decode(content or b""):
            case [descriptor, membership, certificate, roll, contact]:
                return HeldNetwork(
                    standing=Standing.first(
                        bytes.fromhex(path.parent.name),
                        Signed.from_value(descriptor),
                        None if roll is None else Signed.from_value(roll),
                        now,
                    ),
                    proof=Proof(
                        membership=Signed.from_value(membership),
                        node_certificate=None if certificate is None else Signed.from_value(certificate),
                    ),
                    contact=None if contact is None else CONTACT.read(contact),
                )
        raise ValueError("not what this node wrote")


def known_networks(home: Path) -> set[bytes]:
    """The ids of the networks that the node of ``home`` holds, whether its membership is good or not."""
    names = [path.parent.name for path in (home / NETWORKS_FOLDER).glob(f"*/{MEMBER_FILE}")]
    return {bytes.fromhex(name) for name in names if len(name) == 64 and set(name) <= set("0123456789abcdef")}


def read_key(content: bytes, path: Path) -> SigningKey:
    """The key that a file holds. Raises `HomeError`."""
    with contextlib.suppress(ValueError):
        return SigningKey(decode_key(SEED_PART, content.decode("ascii").removesuffix("\n")))
    raise HomeError(f"{path} is damaged. Restore it from a backup.")
