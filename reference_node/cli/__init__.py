"""The command line: one module per command, each with ``add_parser(subparsers)`` and ``run(args, settings) -> int``.

Exit codes: 0 done, 1 failed, 2 the command line, the configuration or this machine does not allow it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from .. import log
from ..config import SETTINGS, ConfigError, Resolved, resolve
from ..identity import HomeError
from . import arguments, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    as_json = arguments.asks_for_json(given)
    try:
        args = arguments.parse(given)
        resolved = resolve(_flags(args), os.environ, getattr(args, "config_file", None))
        args.resolved = resolved
        log.setup(resolved.settings.log_level)
        return _run(args, resolved)
    except CommandError as error:
        return output.fail(str(error), code=error.exit_code, as_json=as_json)
    except (ConfigError, HomeError) as error:
        return output.fail(str(error), code=2, as_json=as_json)
    except KeyboardInterrupt:
        return 130  # what shells expect of a program that SIGINT ended
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader is gone, and Python flushes at its end
        return 1
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes an exit code
        log.failure(_log, "crashed", error)
        return output.fail(f"This is a bug: {type(error).__name__}. The log line above says where.", as_json=as_json)


def _run(args: argparse.Namespace, resolved: Resolved) -> int:
    try:
        run = arguments.command(args.command).run
        return int(run(args, resolved.settings))
    except ModuleNotFoundError as error:
        from ..doctor import INSTALL, PACKAGES

        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise CommandError(f"{error.name} is not installed. {INSTALL}", exit_code=2) from None


def _flags(args: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """The settings that were given as flags, as the texts that were typed."""
    given = {}
    for setting in SETTINGS:
        value = getattr(args, f"setting_{setting.name}", None)
        if value is not None:
            given[setting.name] = tuple(value) if isinstance(value, list) else (value,)
    return given
