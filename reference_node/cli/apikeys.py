"""``apikeys``: create, list and revoke keys for others who use the HTTP API of this home's node."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..identity import load_or_create_api_key
from . import arguments, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse

    from ..apikeys import Key, KeyStore
    from ..config import Settings

_HELP = "create, list and revoke keys of the HTTP API, each with limits of its own"
_EPILOG = """\
  apikeys create NAME      a new key; it is shown once, and only its hash is kept
  apikeys list             all keys, their limits, and what they used today (UTC)
  apikeys revoke NAME      end a key at once
From the first key on, the node answers nobody without a key. Your own is in the file api.key, and has no limits.
"""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``apikeys``."""
    parser = arguments.add_command(subparsers, "apikeys", _HELP)
    parser.epilog = _EPILOG
    actions = ["create", "list", "revoke"]
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="list (the default)")
    parser.add_argument("target", nargs="?", metavar="NAME", help="for create: a name; for revoke: a name or id")
    parser.add_argument("--requests-per-minute", type=int, metavar="N", help="for create: requests begun in a minute")
    parser.add_argument("--tokens-per-day", type=int, metavar="N", help="for create: prompts and answers in a UTC day")
    parser.add_argument(
        "--only-model", action="append", metavar="ID", default=[], help="for create: a model that the key may use; may "
        "be repeated. Default: all"
    )  # fmt: skip


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Create, list or revoke."""
    from ..apikeys import KeyStore, KeyStoreError  # late: it loads SQLite

    if (args.target is None) != (args.action == "list"):
        wants = "nothing more" if args.action == "list" else "a NAME"
        raise CommandError(f"`apikeys {args.action}` takes {wants}.", exit_code=2)
    if args.action != "create" and (args.requests_per_minute or args.tokens_per_day or args.only_model):
        raise CommandError("Limits are for `apikeys create`. Revoke the key and create another.", exit_code=2)
    try:
        with KeyStore.open(settings.home) as store:
            {"create": _create, "list": _list, "revoke": _revoke}[args.action](store, args, settings)
    except KeyStoreError as error:
        raise CommandError(str(error)) from None
    return 0


def _bounded(value: int | None, largest: int, option: str) -> int | None:
    if value is not None and not 1 <= value <= largest:
        raise CommandError(f"{option} takes a number from 1 to {largest}.", exit_code=2)
    return value


def _create(store: KeyStore, args: argparse.Namespace, settings: Settings) -> None:
    from ..apikeys import Limits
    from ..apikeys.store import MAX_RATE, MAX_TOKENS_PER_DAY

    limits = Limits(
        requests_per_minute=_bounded(args.requests_per_minute, MAX_RATE, "--requests-per-minute"),
        tokens_per_day=_bounded(args.tokens_per_day, MAX_TOKENS_PER_DAY, "--tokens-per-day"),
        models=frozenset(args.only_model),
    )
    if not settings.api_key:
        load_or_create_api_key(settings.home)  # the owner's own: from now on the API requires one
    key, secret = store.create(args.target, limits)
    if args.json:
        output.result_json({**_object(store, key), "key": secret})
        return
    output.result(secret)
    output.say(f"This is the key of {output.printable(key.name)}. It is shown only now.")


def _list(store: KeyStore, args: argparse.Namespace, _settings: Settings) -> None:
    keys = store.keys()
    if args.json:
        output.result_json({"keys": [_object(store, key) for key in keys]})
    elif not keys:
        output.say("No keys yet. `apikeys create NAME` makes one.")
    else:
        head = ("name", "id", "state", "requests/min", "tokens/day", "tokens today", "models")
        output.table(head, [_row(store, key) for key in keys])


def _revoke(store: KeyStore, args: argparse.Namespace, _settings: Settings) -> None:
    key = store.revoke(args.target)
    if args.json:
        output.result_json({"id": key.id, "name": key.name, "revoked": True})
    else:
        output.say(f"Revoked {output.printable(key.name)} ({key.id}).")


def _today(store: KeyStore, key: Key) -> tuple[int, int]:
    from ..apikeys.store import DAY_S

    return store.used(key.id, int(time.time() // DAY_S))


def _object(store: KeyStore, key: Key) -> dict[str, object]:
    requests, tokens = _today(store, key)
    return {
        "id": key.id,
        "name": key.name,
        "created": key.created,
        "revoked": key.revoked,
        "requests_per_minute": key.limits.requests_per_minute,
        "tokens_per_day": key.limits.tokens_per_day,
        "models": sorted(key.limits.models),
        "requests_today": requests,
        "tokens_today": tokens,
    }


def _row(store: KeyStore, key: Key) -> list[str]:
    limits = key.limits
    return [
        output.printable(key.name),
        key.id,
        "revoked" if key.revoked is not None else "in use",
        "-" if limits.requests_per_minute is None else str(limits.requests_per_minute),
        "-" if limits.tokens_per_day is None else str(limits.tokens_per_day),
        str(_today(store, key)[1]),
        output.printable(", ".join(sorted(limits.models))) or "all",
    ]
