"""Where a passphrase comes from: a prompt, or a file or descriptor; never the command line, which others can see."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from typing import TYPE_CHECKING

from .output import CommandError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

MAX_CHARS = 1024


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option that every command with a passphrase has."""
    parser.add_argument(
        "--passphrase-file", metavar="FILE",
        help="read the passphrase from the first line of FILE (yours alone, or /dev/fd/N); without it, you are asked",
    )  # fmt: skip


def get(args: argparse.Namespace, what: str, *, new: bool = False) -> str:
    """The passphrase of ``what``; a ``new`` one is asked for twice. Raises `CommandError`."""
    if args.passphrase_file is not None:
        return _from_file(args.passphrase_file)
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask for a passphrase. Use --passphrase-file FILE.", exit_code=2)
    passphrase = getpass.getpass(f"Passphrase of {what}: ")
    if new and getpass.getpass("The same again: ") != passphrase:
        raise CommandError("The two passphrases differ. Nothing was written.")
    return passphrase


def _from_file(path: Path | str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - it may be a descriptor
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise CommandError(f"{path} can be read by others. Run: chmod 600 '{path}'")
            line = file.readline(MAX_CHARS + 1).removesuffix("\n")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} does not hold a passphrase: it is not UTF-8 text.") from None
    if not line or len(line) > MAX_CHARS:
        raise CommandError(
            f"The first line of {path} is no passphrase: it is empty, or longer than {MAX_CHARS} characters."
        )
    return line
