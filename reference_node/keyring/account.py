"""An account: a person's key, for several nodes that act at its expense. It lies in a file that no node needs.

The file remembers the account's epoch. Withdrawing certificates raises it, on the disk before anything is signed, so
that a later certificate is never of an epoch that is void.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mycellm_proto.keys import KEY_SIZE, SigningKey
from mycellm_proto.limits import MAX_CERTIFICATE_LIFE, MAX_EPOCH
from mycellm_proto.membership import AccountEpoch, NodeCertificate, NodeRight
from mycellm_proto.nodeid import decode_node_id, encode_node_id

from . import sealed
from .errors import KeyringError

if TYPE_CHECKING:
    from pathlib import Path

    from mycellm_proto.signed import Signed

KIND = "account"
DAY_S = 24 * 3600
MAX_DAYS = MAX_CERTIFICATE_LIFE // DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An opened account. ``epoch`` is that of the certificates that it signs now."""

    key: SigningKey
    epoch: int
    path: Path

    @property
    def id(self) -> str:
        """The account's public key as people write it."""
        return encode_node_id(self.key.public)

    def certify(self, node: bytes, rights: NodeRight, *, days: int, now: float) -> Signed:
        """A certificate for a node id. Raises `KeyringError`."""
        if not 1 <= days <= MAX_DAYS:
            raise KeyringError(f"A certificate is for 1 to {MAX_DAYS} days.")
        if not rights:
            raise KeyringError("A certificate without a capability is of no use. Name consume, provide or both.")
        if node == self.key.public:
            raise KeyringError("That is the account's own id. Name the node's: `identity` prints it on the node.")
        certificate = NodeCertificate(
            account=self.key.public,
            node=node,
            rights=rights,
            epoch=self.epoch,
            issued=int(now),
            expires=int(now) + days * DAY_S,
        )
        return certificate.sign(self.key)

    def withdraw(self, seed: bytes, passphrase: str) -> tuple[Account, Signed]:
        """The account in its next epoch, and the statement that voids every earlier certificate of it."""
        if self.epoch >= MAX_EPOCH:
            raise KeyringError("This account has no epoch left. Make another account.")
        after = replace(self, epoch=self.epoch + 1)
        sealed.replace(self.path, _sealed(seed, after.epoch, passphrase))
        return after, AccountEpoch(account=self.key.public, epoch=after.epoch).sign(self.key)


def create_account(path: Path, passphrase: str) -> Account:
    """A new account in a new file. Raises `KeyringError`, `HomeError`."""
    seed = secrets.token_bytes(KEY_SIZE)
    sealed.write_new(path, _sealed(seed, 0, passphrase))
    return Account(key=SigningKey(seed), epoch=0, path=path)


def open_account(path: Path, passphrase: str) -> tuple[Account, bytes]:
    """The account in a file, and its seed. Raises `KeyringError`, `HomeError`."""
    about, seed = sealed.unseal(path, KIND, passphrase)
    if len(seed) != KEY_SIZE:
        raise KeyringError(f"{path} does not hold an account's key.")
    account = Account(key=SigningKey(seed), epoch=_epoch(about, path), path=path)
    if about.get("id") != account.id:
        raise KeyringError(f"{path} does not hold the key of the account that it names.")
    return account, seed


def describe_account(path: Path) -> tuple[str, int]:
    """Id and epoch as the file says them without its passphrase. Raises `KeyringError`, `HomeError`."""
    about = sealed.look(path, KIND)
    try:
        decode_node_id(str(about.get("id")))
    except ValueError:
        raise KeyringError(f"{path} names no account.") from None
    return str(about["id"]), _epoch(about, path)


def _sealed(seed: bytes, epoch: int, passphrase: str) -> bytes:
    about = {"id": encode_node_id(SigningKey(seed).public), "epoch": epoch}
    return sealed.seal(KIND, about, seed, passphrase)


def _epoch(about: dict[str, Any], path: Path) -> int:
    epoch = about.get("epoch")
    if isinstance(epoch, bool) or not isinstance(epoch, int) or not 0 <= epoch <= MAX_EPOCH:
        raise KeyringError(f"{path} names no epoch.")
    return epoch
