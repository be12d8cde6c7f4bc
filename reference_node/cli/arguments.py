"""The parsers: which command takes which settings, and help that a newcomer understands."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from ..config import SETTINGS
from . import output
from .output import CommandError
from .version import version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import Setting, Settings

Subparsers = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns

COMMANDS = (
    "serve",
    "owner",
    "network",
    "keys",
    "models",
    "identity",
    "peers",
    "chat",
    "receipts",
    "ledger",
    "apikeys",
    "env",
    "config",
    "doctor",
)
GROUPS = {
    "places": "Places and access",
    "model": "The model on this machine",
    "backend": "An engine or a cluster behind this node",
    "peers": "Other nodes",
    "credit": "Credit (1 credit = 1,000,000 micro-credits)",
}

_DESCRIPTION = """\
A node of the mycellm network: it runs a language model on this machine behind an
OpenAI-style HTTP API, and shares models with other nodes over an authenticated
peer-to-peer protocol."""

_EPILOG = """\
Begin with:
  {prog}                     start a node (first time: it makes its model ready)
  {prog} chat "Hello"        talk to it, in a second terminal
  {prog} doctor              if something does not work

Clients of OpenAI's and Anthropic's APIs work: `{prog} env` prints what to export.
Settings come from flags, then environment (MYCELLM_...), then DIR/config.toml; what was changed with `owner` wins over
all of these until `owner reset`. `config` shows each with its source.
`{prog} COMMAND --help` explains a command. Without a command, `serve` is meant.
"""


class Parser(argparse.ArgumentParser):
    """Raises where argparse would print and exit, so that `--json` holds for a wrong command line too."""

    def error(self, message: str) -> NoReturn:
        """Say how the command line is written. Raises `CommandError`."""
        output.say(self.format_usage().rstrip())
        raise CommandError(message, exit_code=2)


class Command(Protocol):
    """A module of this package that is a command."""

    def add_parser(self, subparsers: Subparsers[argparse.ArgumentParser]) -> None:
        """Add the command's parser, with ``command`` set to its name."""
        ...

    def run(self, args: argparse.Namespace, settings: Settings) -> int:
        """Do it; returns the exit code."""
        ...


def command(name: str) -> Command:
    """The module of a command."""
    return cast("Command", importlib.import_module(f".{name}", __package__))


def program() -> str:
    """How the user started this program."""
    return "python3 -m reference_node" if sys.argv[0].endswith("__main__.py") else "mycellm-node"


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser], name: str, help_line: str, *, settings: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """A parser for the command ``name`` with the common options and the flags of ``settings``."""
    parser = subparsers.add_parser(
        name, help=help_line, description=help_line, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_common(parser)
    add_settings(parser, settings)
    return parser


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Flags for the settings in ``names``, grouped."""
    for group, title in GROUPS.items():
        chosen = [s for s in SETTINGS if s.group == group and s.name in names and not s.everywhere and not s.secret]
        if chosen:
            section = parser.add_argument_group(title)
            for setting in chosen:
                _add_setting(section, setting)


def _add_setting(parser: argparse._ActionsContainer, setting: Setting) -> None:
    destination = f"setting_{setting.name}"
    default = f" (default: {setting.default})" if setting.default and setting.default != "false" else ""
    text = (setting.help + default).replace("%", "%%")
    if not setting.metavar:
        parser.add_argument(
            setting.flag, dest=destination, action="store_const", const="true", default=argparse.SUPPRESS, help=text
        )
        return
    parser.add_argument(
        setting.flag, dest=destination, metavar=setting.metavar, default=argparse.SUPPRESS, help=text,
        action="append" if setting.several else "store",
    )  # fmt: skip


def _add_common(parser: argparse.ArgumentParser) -> None:
    common = parser.add_argument_group("For every command")
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="JSON on stdout, and nothing else there"
    )
    common.add_argument(
        "--config", dest="config_file", metavar="FILE", default=argparse.SUPPRESS,
        help="a TOML file with settings (default: config.toml in the home directory)",
    )  # fmt: skip
    for setting in SETTINGS:
        if setting.everywhere:
            _add_setting(common, setting)


def build(*, as_json: bool = False) -> argparse.ArgumentParser:
    """The whole parser; what `--version` prints is part of it."""
    prog = program()
    parser: argparse.ArgumentParser = Parser(
        prog=prog, description=_DESCRIPTION, epilog=_EPILOG.format(prog=prog), allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    said = json.dumps({"version": version()}) if as_json else f"mycellm {version()}"
    parser.add_argument("--version", action="version", version=said)
    _add_common(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="Commands")
    for name in COMMANDS:
        command(name).add_parser(subparsers)
    return parser


def with_command(argv: list[str]) -> list[str]:
    """``argv`` with the word serve where no command stands: its flags work without it."""
    valued = {"--config", *(s.flag for s in SETTINGS if s.everywhere)}
    position = 0
    while position < len(argv):
        word = argv[position]
        if word in COMMANDS or word in ("-h", "--help", "--version"):
            return argv
        if word != "--json" and word.partition("=")[0] not in valued:
            break
        position += 2 if word in valued else 1
    return [*argv[:position], "serve", *argv[position:]]


def asks_for_json(argv: Sequence[str]) -> bool:
    """Whether JSON is wanted, known before the command line is parsed."""
    return "--json" in argv


def parse(argv: list[str]) -> argparse.Namespace:
    """The parsed command line. Raises `CommandError` when it is wrong."""
    args = build(as_json=asks_for_json(argv)).parse_args(with_command(argv))
    args.json = getattr(args, "json", False)
    return args
