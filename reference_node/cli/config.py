"""``config``: every setting, its value, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import SETTINGS, Resolved, show
from ..owner import OWNER_FILE, Owner
from . import arguments, output

if TYPE_CHECKING:
    import argparse

    from ..config import Settings

_HELP = "show every setting, its value and where it comes from"
_RULE = """
A flag wins over the environment (MYCELLM_...), that over config.toml, that over the default. What was changed with
`owner` wins over all of these, also after a restart, until `owner reset NAME`.
"""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``config``."""
    parser = arguments.add_command(subparsers, "config", _HELP, settings=[setting.name for setting in SETTINGS])
    parser.epilog = _RULE


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Show the settings that the same flags would give ``serve``."""
    resolved: Resolved = args.resolved
    values = {setting.name: show(setting, settings) for setting in SETTINGS}
    sources = dict(resolved.sources)
    changed = Owner.open(settings)
    for name in changed.changed:
        values[name], sources[name] = changed.texts(name), f"owner: file {settings.home / OWNER_FILE}"
    if args.json:
        rows = [
            {
                "name": setting.name,
                "value": values[setting.name],
                "source": sources[setting.name],
                "flag": None if setting.secret else setting.flag,
                "environment": setting.variable,
                "help": setting.help,
            }
            for setting in SETTINGS
        ]
        output.result_json({"settings": rows})
        return 0
    output.table(
        ("setting", "value", "from"),
        [(name, _text(value), sources[name]) for name, value in values.items()],
    )
    return 0


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "(none)"
    return str(value).lower() if isinstance(value, bool) else str(value)
