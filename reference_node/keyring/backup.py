"""A backup of what a home has that cannot be made again, and its restoration into an empty home.

A backup cannot hold which sequence numbers the node will have used when it is needed, so a restored node makes a new
key (KEY-008), and keeps the old one beside it, under a name of its own.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..identity import ADMIN_KEY_FILE, API_KEY_FILE, KEY_FILE, Identity, load_or_create, make_home, read_secret
from ..identity import create_secret as write
from ..owner import OWNER_FILE
from . import sealed
from .certificate import CERTIFICATE_FILE
from .errors import KeyringError

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = "backup"
CONFIG_FILE = "config.toml"
NETWORKS = "networks"
"""The folder of networks: memberships, and the keys of those that are governed from here."""
FILES = (KEY_FILE, API_KEY_FILE, ADMIN_KEY_FILE, OWNER_FILE, CERTIFICATE_FILE, CONFIG_FILE)
MAX_FILES = 4096
MAX_BYTES = 16 << 20
"""Of one file, and of all together: keys, statements and lists, no databases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupContents:
    """The node id that was backed up, and the names of the files."""

    node_id: str
    files: tuple[str, ...]


def make_backup(home: Path, path: Path, passphrase: str) -> BackupContents:
    """Seal what ``home`` has into the new file ``path``. Raises `KeyringError`, `HomeError`."""
    sealed.check_passphrase(passphrase)
    if not (home / KEY_FILE).exists():
        raise KeyringError(f"{home} has no node key yet, so there is nothing to back up.")
    if path.resolve().is_relative_to(home.resolve()):
        raise KeyringError("A backup beside what it is of is lost with it. Choose a place outside the home.")
    files = {name: content for name in _names(home) if (content := _read(home / name)) is not None}
    if sum(map(len, files.values())) > MAX_BYTES:
        raise KeyringError(f"The home holds more than {MAX_BYTES} bytes of keys and statements. Copy it whole instead.")
    node_id = load_or_create(home).text
    content = json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()}).encode()
    sealed.write_new(path, sealed.seal(KIND, {"node_id": node_id}, content, passphrase))
    return BackupContents(node_id=node_id, files=tuple(files))


def restore_backup(home: Path, path: Path, passphrase: str) -> tuple[BackupContents, Identity]:
    """Put a backup's files into ``home``, which must have no key, and make a new node key there.

    Raises `KeyringError`, `HomeError`.
    """
    about, content = sealed.unseal(path, KIND, passphrase)
    files = _files(content, path)
    node_id = str(about.get("node_id"))
    if (home / KEY_FILE).exists():
        raise KeyringError(f"{home} has a node key. Restore into an empty home: --home DIR.")
    make_home(home)
    names = {name: f"{KEY_FILE}.{node_id}" if name == KEY_FILE else name for name in files if name != CERTIFICATE_FILE}
    if taken := [name for name in names.values() if (home / name).exists()]:
        raise KeyringError(f"{home} has {taken[0]} already. Restore into an empty home: --home DIR.")
    for name, restored in names.items():
        if not write(home / restored, files[name]):
            raise KeyringError(f"{home / restored} appeared meanwhile. Restore into an empty home: --home DIR.")
    return BackupContents(node_id=node_id, files=tuple(sorted(names.values()))), load_or_create(home)


def _names(home: Path) -> Iterator[str]:
    yield from FILES
    yield from sorted(path.name for path in home.glob(f"{KEY_FILE}.*"))
    count = 0
    for folder, _, names in sorted(os.walk(home / NETWORKS)):
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise KeyringError(f"{home / NETWORKS} holds more than {MAX_FILES} files. Copy the home whole instead.")
            relative = (Path(folder) / name).relative_to(home).as_posix()
            if _is_kept(relative):
                yield relative


def _read(path: Path) -> bytes | None:
    if path.name == CONFIG_FILE:  # written by hand, and no secret by its nature
        return path.read_bytes()[:MAX_BYTES] if path.is_file() else None
    return read_secret(path, most=MAX_BYTES)


def _is_kept(name: str) -> bool:
    """Whether a backup may hold a file of this name: one of ours, or a key or statement of a network; no database."""
    parts = PurePosixPath(name).parts
    if name in FILES or (len(parts) == 1 and name.startswith(f"{KEY_FILE}.myc1")):
        return True
    plain = all(part not in ("", ".", "..") and "\0" not in part and not part.startswith(".") for part in parts)
    return plain and len(parts) == 3 and parts[0] == NETWORKS and parts[2].endswith((".key", ".cbor"))


def _files(content: bytes, path: Path) -> dict[str, bytes]:
    try:
        found = {name: base64.b64decode(data, validate=True) for name, data in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise KeyringError(f"{path} does not hold a backup.") from None
    if KEY_FILE not in found or not all(map(_is_kept, found)):
        raise KeyringError(f"{path} holds files that no backup holds. It is not restored.")
    return found
