"""The secrets of a home directory: the node key, the keys of the HTTP APIs, and how a secret file is written and read.

A secret file is complete from the moment that it has its name, only its owner can open it, and when several
processes create it at once all of them go on with the same one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mycellm_proto.keys import KEY_SIZE, SigningKey
from mycellm_proto.nodeid import decode_key, encode_key, encode_node_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY_FILE = "node.key"
API_KEY_FILE = "api.key"
ADMIN_KEY_FILE = "admin.key"
USED_FILE = "node.used"
"""Holds the id of the node whose receipts are beside it: the key that has signed with numbers that they remember."""
SEED_PART = "mycsecret"
"""The human-readable part of a written seed, so that nobody takes it for a node id."""

MIN_API_KEY_CHARS = 16
"""A shorter key could be guessed over the network."""

MAX_SECRET_BYTES = 4096
"""No key file is larger; anything larger is not ours and is not read."""


class HomeError(Exception):
    """The home directory or a file in it cannot be used. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """This node's key. ``created`` is in seconds since 1970 (the file's time), ``new`` when this call made it."""

    key: SigningKey
    path: Path
    created: int
    new: bool

    @property
    def node_id(self) -> bytes:
        """The public key, 32 bytes."""
        return self.key.public

    @property
    def text(self) -> str:
        """The node id as people write it."""
        return encode_node_id(self.key.public)


def make_home(home: Path) -> None:
    """Create ``home`` for its owner only. Raises `HomeError`."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(f"Cannot create {home}: {error.strerror}. Choose another with --home.") from None


@contextlib.contextmanager
def _whole_file(path: Path, content: bytes) -> Iterator[Path]:
    """The name of a temporary file beside ``path`` that holds ``content``, on disk, mode 0600."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_EXCL and 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_secret(path: Path, content: bytes) -> bool:
    """Write a secret file unless it exists. False when another process was first. Raises `HomeError`."""
    make_home(path.parent)
    try:
        with _whole_file(path, content) as temporary:
            path.hardlink_to(temporary)  # fails when the name exists: the first creator wins
            _sync_directory(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise HomeError(f"Cannot write {path}: {error.strerror}.") from None
    return True


def replace_secret(path: Path, content: bytes) -> None:
    """Write a secret file over an older one, atomically. Raises `HomeError`."""
    make_home(path.parent)
    try:
        with _whole_file(path, content) as temporary:
            temporary.rename(path)
            _sync_directory(path.parent)
    except OSError as error:
        raise HomeError(f"Cannot write {path}: {error.strerror}.") from None


def read_secret(path: Path, most: int = MAX_SECRET_BYTES) -> bytes | None:
    """The content of a secret file; None when there is none. Raises `HomeError` when others may read it, or when it
    has more than ``most`` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeError(f"Cannot read {path}: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise HomeError(f"{path} is not a file. Move it away.")
        if status.st_mode & 0o077:
            raise HomeError(f"{path} can be read by others. Run: chmod 600 '{path}'")
        if status.st_uid != os.geteuid():
            raise HomeError(f"{path} belongs to another user. Run as that user, or choose another MYCELLM_HOME.")
        if status.st_size > most:
            raise HomeError(f"{path} is larger than {most} bytes, so it is not what this program wrote. Move it away.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def load_or_create_secret(path: Path, make: Callable[[], bytes]) -> tuple[bytes, bool]:
    """The content of a secret file, and whether this call created it. Raises `HomeError`."""
    if (content := read_secret(path)) is not None:
        return content, False
    created = create_secret(path, make())
    if (content := read_secret(path)) is None:
        raise HomeError(f"{path} vanished while it was created. Try again.")
    return content, created


def _new_key() -> bytes:
    return encode_key(SEED_PART, secrets.token_bytes(KEY_SIZE)).encode() + b"\n"


def load_or_create(home: Path) -> Identity:
    """The node key in ``home``, made at the first call. Raises `HomeError`."""
    path = home / KEY_FILE
    content, new = load_or_create_secret(path, _new_key)
    try:
        seed = decode_key(SEED_PART, content.decode("ascii").removesuffix("\n"))
    except ValueError:
        message = f"{path} is damaged. Restore it from a backup, or move it away: the node then gets a new id."
        raise HomeError(message) from None
    return Identity(key=SigningKey(seed), path=path, created=int(path.stat().st_mtime), new=new)


def load_with_receipts(home: Path, receipts: Path) -> Identity:
    """The node key for a node that runs: a new one where the receipts of the old one are gone (KEY-008).

    Without them nobody knows which sequence numbers it has used, and a number that is used twice is proof of fraud.
    The old key stays beside the new one, under a name of its own. Raises `HomeError`.
    """
    identity = load_or_create(home)
    used = read_secret(home / USED_FILE)
    if receipts.exists() or used is None or used.decode("ascii", "replace").strip() != identity.text:
        return identity
    try:
        identity.path.rename(identity.path.with_name(f"{KEY_FILE}.{identity.text}"))
    except OSError as error:
        raise HomeError(f"Cannot move {identity.path} away: {error.strerror}.") from None
    return load_or_create(home)


def mark_used(home: Path, identity: Identity) -> None:
    """Note that the receipts in ``home`` are those of ``identity``. Raises `HomeError`."""
    line = identity.text.encode() + b"\n"
    if read_secret(home / USED_FILE) != line:
        replace_secret(home / USED_FILE, line)


def temporary() -> Identity:
    """A key for one connection that need not, and should not, say who this node is."""
    key = SigningKey(secrets.token_bytes(KEY_SIZE))
    return Identity(key=key, path=Path(os.devnull), created=0, new=True)


def _new_word(prefix: str) -> bytes:
    return f"{prefix}-{secrets.token_urlsafe(KEY_SIZE)}\n".encode()


def _load_or_create_word(path: Path, prefix: str) -> str:
    """A key that people paste, made at the first call."""
    content, _ = load_or_create_secret(path, lambda: _new_word(prefix))
    try:
        key = content.decode("ascii").strip()
    except UnicodeDecodeError:
        key = ""
    if len(key) < MIN_API_KEY_CHARS:
        raise HomeError(f"{path} is damaged. Remove it: the next start makes a new key.")
    return key


def _stored_word(path: Path) -> str | None:
    content = read_secret(path)
    return None if content is None else content.decode("ascii", "replace").strip()


def load_or_create_api_key(home: Path) -> str:
    """The API key in ``home``, made at the first call. Raises `HomeError`."""
    return _load_or_create_word(home / API_KEY_FILE, "myk")


def stored_api_key(home: Path) -> str | None:
    """The API key in ``home`` if there is one. Raises `HomeError` when others may read it."""
    return _stored_word(home / API_KEY_FILE)


def load_or_create_admin_key(home: Path) -> str:
    """The key of the admin API in ``home``, made at the first call. Raises `HomeError`."""
    return _load_or_create_word(home / ADMIN_KEY_FILE, "mya")


def stored_admin_key(home: Path) -> str | None:
    """The key of the admin API in ``home`` if there is one. Raises `HomeError` when others may read it."""
    return _stored_word(home / ADMIN_KEY_FILE)
