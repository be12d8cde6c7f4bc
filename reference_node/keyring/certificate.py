"""Node certificates and account epochs as text: one line that can be mailed, read out of a file, and checked.

A certificate is no secret. It is checked before it is installed, and again whenever it is read.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto import codec
from mycellm_proto.errors import ProtocolError
from mycellm_proto.limits import CLOCK_SKEW
from mycellm_proto.membership import NODE_CERTIFICATE, NodeCertificate, read_account_epoch, read_holder
from mycellm_proto.nodeid import encode_node_id
from mycellm_proto.signed import Signed

from ..identity import read_secret, replace_secret
from .errors import KeyringError

if TYPE_CHECKING:
    from pathlib import Path

    from mycellm_proto.membership import AccountEpoch

CERTIFICATE_FILE = "node.cert"
CERTIFICATE_PREFIX = "mycellm-node-certificate:"
EPOCH_PREFIX = "mycellm-account-epoch:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A node's own certificate, verified: as it travels and as it reads."""

    signed: Signed
    body: NodeCertificate


def write_certificate(signed: Signed) -> str:
    """The text of a node certificate."""
    return _write(CERTIFICATE_PREFIX, signed)


def write_epoch(signed: Signed) -> str:
    """The text of an account's epoch."""
    return _write(EPOCH_PREFIX, signed)


def read_certificate(text: str, *, node: bytes, now: float) -> Installed:
    """The certificate in ``text``, good now for the node id ``node``. Raises `KeyringError`, which says why not."""
    signed = _read(CERTIFICATE_PREFIX, text)
    try:
        body = NodeCertificate(**NODE_CERTIFICATE.read_item(signed.body))
        if body.node != node:
            raise KeyringError(
                f"The certificate is for another node, {encode_node_id(body.node)}. Have this one certified under its "
                f"own id: {encode_node_id(node)}."
            )
        if body.issued > now + CLOCK_SKEW:
            raise KeyringError("The certificate is not valid yet. Is the clock of this machine right?")
        if now >= body.expires:
            raise KeyringError("The certificate has expired. Make a new one where the account is: `keys certify`.")
        read_holder(body.account, signed, node=node, now=now)
    except ProtocolError:
        raise KeyringError("The certificate is not good: its signature or its form is wrong. Copy it again.") from None
    return Installed(signed=signed, body=body)


def read_epoch(text: str) -> tuple[Signed, AccountEpoch]:
    """The statement in ``text``, verified. Raises `KeyringError`."""
    signed = _read(EPOCH_PREFIX, text)
    try:
        return signed, read_account_epoch(signed)
    except ProtocolError:
        raise KeyringError("The statement is not good: its signature or its form is wrong. Copy it again.") from None


def install(home: Path, text: str, *, node: bytes, now: float) -> Installed:
    """Make a certificate this node's. Raises `KeyringError`, `HomeError`, and then the one before stays."""
    new = read_certificate(text, node=node, now=now)
    try:
        before = installed(home, node=node, now=now)
    except KeyringError:
        before = None  # not good any more: whatever is good is better
    if before is not None and before.body.account == new.body.account and before.body.epoch > new.body.epoch:
        raise KeyringError("The account has withdrawn that certificate: the installed one is of a later epoch.")
    replace_secret(home / CERTIFICATE_FILE, write_certificate(new.signed).encode() + b"\n")
    return new


def installed(home: Path, *, node: bytes, now: float) -> Installed | None:
    """This node's certificate; None where there is none. Raises `KeyringError` where it is not good any more."""
    content = read_secret(home / CERTIFICATE_FILE)
    return None if content is None else read_certificate(content.decode("ascii", "replace"), node=node, now=now)


def _write(prefix: str, signed: Signed) -> str:
    return prefix + base64.urlsafe_b64encode(codec.encode(signed.to_value())).decode().rstrip("=")


def _read(prefix: str, text: str) -> Signed:
    line = text.strip()
    if not line.startswith(prefix):
        raise KeyringError(f"This is not what was expected: a line that begins with {prefix!r}.")
    try:
        encoded = line.removeprefix(prefix).encode("ascii")
        signed = Signed.from_value(codec.decode(base64.b64decode(encoded + b"=" * (-len(encoded) % 4), b"-_", True)))  # noqa: FBT003
    except (ValueError, binascii.Error, ProtocolError):
        signed = None
    if signed is None or _write(prefix, signed) != line:  # one text for one object
        raise KeyringError(f"The line that begins with {prefix!r} is damaged. Copy it again, all of it.")
    return signed
