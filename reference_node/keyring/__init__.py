"""Keys that outlive a machine: an account's, sealed with a passphrase; node certificates; backup, restore, rotation.

Nothing here needs a network. An account's key is read only to sign, and lies in a file of its own that no node needs.
"""

from __future__ import annotations

from .account import Account, create_account, describe_account, open_account
from .backup import BackupContents, make_backup, restore_backup
from .certificate import (
    CERTIFICATE_FILE,
    Installed,
    install,
    installed,
    read_certificate,
    read_epoch,
    write_certificate,
    write_epoch,
)
from .errors import KeyringError
from .rotation import Rotated, rotate

__all__ = [
    "CERTIFICATE_FILE",
    "Account",
    "BackupContents",
    "Installed",
    "KeyringError",
    "Rotated",
    "create_account",
    "describe_account",
    "install",
    "installed",
    "make_backup",
    "open_account",
    "read_certificate",
    "read_epoch",
    "restore_backup",
    "rotate",
    "write_certificate",
    "write_epoch",
]
