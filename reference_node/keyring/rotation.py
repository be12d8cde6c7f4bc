"""A new node key in the place of the old one, while no node runs with the home."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..identity import HomeError, Identity, load_or_create
from .certificate import CERTIFICATE_FILE

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The ids before and after; ``archive`` is where the old key lies, None when it was destroyed."""

    before: str
    after: Identity
    archive: Path | None
    had_certificate: bool


def rotate(home: Path, *, destroy: bool) -> Rotated:
    """Make a new key. The old one is kept under a name of its own, or destroyed. Raises `HomeError`.

    A crash in the middle leaves the old key under either name, and the next start then has it or makes a new one.
    """
    before = load_or_create(home)
    archive = before.path.with_name(f"{before.path.name}.{before.text}")
    certificate = home / CERTIFICATE_FILE
    had_certificate = certificate.exists()
    try:
        before.path.rename(archive)
        after = load_or_create(home)
        certificate.unlink(missing_ok=True)  # it names the old id
        if destroy:
            _destroy(archive)
    except OSError as error:
        raise HomeError(f"Cannot replace {before.path}: {error.strerror}.") from None
    return Rotated(
        before=before.text, after=after, archive=None if destroy else archive, had_certificate=had_certificate
    )


def _destroy(path: Path) -> None:
    """Overwrite, then remove. What a file system, a disk or a backup has kept of it is out of reach."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.write(descriptor, os.urandom(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
