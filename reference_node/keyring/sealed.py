"""A file that a passphrase opens: scrypt makes the key, ChaCha20-Poly1305 seals, and what stands in the clear is bound.

One JSON object: ``kind`` and ``about`` in the clear, then salt, nonce and what is sealed, in base64. The parameters of
scrypt are fixed by the version, so that no file can choose weak ones, or ones that take all memory.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ..identity import create_secret, read_secret, replace_secret
from .errors import KeyringError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "mycellm-sealed/1"
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1
"""128 MiB and half a second for each guess (OWASP's recommendation, which is that of RFC 7914's author for files)."""
SALT_SIZE, NONCE_SIZE, KEY_SIZE = 16, 12, 32
MIN_PASSPHRASE = 12
"""Characters. A guess costs its maker half a second and 128 MiB; a shorter phrase of words would still fall."""
MAX_FILE = 64 << 20


def check_passphrase(passphrase: str) -> None:
    """Raises `KeyringError` for one that could be guessed by its length alone."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyringError(
            f"The passphrase has fewer than {MIN_PASSPHRASE} characters. Take four or five random words."
        )


def seal(kind: str, about: Mapping[str, Any], content: bytes, passphrase: str) -> bytes:
    """The bytes of a sealed file."""
    check_passphrase(passphrase)
    salt, nonce = os.urandom(SALT_SIZE), os.urandom(NONCE_SIZE)
    clear = {"format": FORMAT, "kind": kind, "about": dict(about), "salt": _text(salt), "nonce": _text(nonce)}
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(nonce, content, _bound(clear))
    return json.dumps({**clear, "sealed": _text(sealed)}, indent=1).encode() + b"\n"


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet. Raises `KeyringError`, `HomeError`."""
    if not create_secret(path, content):
        raise KeyringError(f"{path} is there already, and is not overwritten. Choose another name.")


def replace(path: Path, content: bytes) -> None:
    """Write a file over an older one, whole or not at all. Raises `HomeError`."""
    replace_secret(path, content)


def look(path: Path, kind: str) -> dict[str, Any]:
    """What stands in the clear in a sealed file, not yet proved by a passphrase. Raises `KeyringError`, `HomeError`."""
    about: dict[str, Any] = _parse(path, kind)["about"]
    return about


def unseal(path: Path, kind: str, passphrase: str) -> tuple[dict[str, Any], bytes]:
    """What stands in the clear, and the content. Raises `KeyringError`, `HomeError`."""
    found = _parse(path, kind)
    try:
        salt, nonce, sealed = (base64.b64decode(found[name], validate=True) for name in ("salt", "nonce", "sealed"))
        if (len(salt), len(nonce)) != (SALT_SIZE, NONCE_SIZE):
            raise _damaged(path)
        clear = {name: found[name] for name in ("format", "kind", "about", "salt", "nonce")}
        content = ChaCha20Poly1305(_key(passphrase, salt)).decrypt(nonce, sealed, _bound(clear))
    except (binascii.Error, ValueError, TypeError):
        raise _damaged(path) from None
    except InvalidTag:
        raise KeyringError(f"The passphrase does not open {path}, or the file was changed.") from None
    return found["about"], content


def _parse(path: Path, kind: str) -> dict[str, Any]:
    content = read_secret(path, most=MAX_FILE)
    if content is None:
        raise KeyringError(f"There is no file {path}.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    names = {"format", "kind", "about", "salt", "nonce", "sealed"}
    if not isinstance(found, dict) or found.keys() != names or not isinstance(found["about"], dict):
        raise _damaged(path)
    if found["format"] != FORMAT:
        raise KeyringError(f"{path} was written by another version of this software.")
    if found["kind"] != kind:
        raise KeyringError(f"{path} holds {str(found['kind'])[:20]!r}, and {kind!r} is wanted.")
    return found


def _damaged(path: Path) -> KeyringError:
    return KeyringError(f"{path} is damaged, or is no file of this program. Take another copy of it.")


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_SIZE, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase.encode())


def _bound(clear: Mapping[str, Any]) -> bytes:
    return json.dumps(clear, sort_keys=True, separators=(",", ":")).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
