"""What can stop the set-up, each said in one sentence with the next step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["CommandError", "SetupError"]


class SetupError(Exception):
    """The set-up cannot go on; ``str()`` is a sentence that names the reason and the next step."""

    def __init__(self, reason: str, step: str) -> None:
        super().__init__(f"{reason}: {step}.")


# (what the installers print, reason, next step).  The first row that occurs decides, so the precise ones stand first.
_SIGNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("No space left on device", "os error 28"),
        "the disk is full",
        "free 2 GB (8 GB with a GPU) and type the same command again",
    ),
    (
        ("Hash mismatch", "DO NOT MATCH THE HASHES"),
        "a downloaded file is not the one that was pinned, so nothing of it was installed",
        "find out what stands between this machine and the package index before you try again",
    ),
    (
        ("invalid peer certificate", "CERTIFICATE_VERIFY_FAILED", "UnknownIssuer"),
        "the certificate of the package index is not trusted here",
        "set SSL_CERT_FILE to your organisation's CA bundle and type the same command again",
    ),
    (
        (
            "dns error",
            "name resolution",
            "Name or service not known",
            "failed to lookup",
            "nodename nor servname",
            "error sending request",
            "Network is unreachable",
            "Connection refused",
            "Failed to fetch",
            "NewConnectionError",
            "Temporary failure resolving",
            "timed out",
        ),
        "the package index cannot be reached",
        "connect this machine to the network, or name your mirror in PIP_INDEX_URL, and type the same command again",
    ),
    (
        ("no wheel", "Wheels are required", "No matching distribution"),
        "a pinned package has no wheel for this machine",
        "use Linux (glibc 2.28 or later; x86-64, or 64-bit Arm) or macOS 14 on Apple silicon",
    ),
)


class CommandError(SetupError):
    """A command of the set-up failed; its last lines decide which sentence is said."""

    def __init__(self, command: Sequence[str], status: int, output: Sequence[str], log: Path) -> None:
        text = "\n".join(output)
        for signs, reason, step in _SIGNS:
            if any(sign in text for sign in signs):
                super().__init__(reason, f"{step} (details: {log})")
                return
        super().__init__(
            f"`{Path(command[0]).name} {command[1]}` ended with status {status}", f"the reason is in {log}"
        )
