"""``ledger``: audit and show the ledger of the networks that this node settles for, beside a running node or not."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from mycellm_proto.keys import KEY_SIZE
from mycellm_proto.nodeid import decode_node_id
from mycellm_proto.signed import HASH_SIZE

from . import arguments, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from ..config import Settings
    from ..ledger import Place

_HELP = "audit and show the ledger of the networks that this node settles for; exits with 1 when something is wrong"
_EPILOG = """\
The ledger is made by a node that settles for a network. Amounts are in micro-credits.
  ledger check                   derive every balance from the events again, and compare
  ledger show                    every account: what it has, what is reserved, what is pending
  ledger history MEMBER          the newest events of a member
Nothing here writes, and a node may go on booking meanwhile.
"""
_DEFAULT_LAST = 50


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``ledger``."""
    parser = arguments.add_command(subparsers, "ledger", _HELP, settings=["ledger"])
    parser.epilog = _EPILOG
    actions = ["check", "show", "history"]
    parser.add_argument("action", nargs="?", choices=actions, default="check", help="check (the default)")
    parser.add_argument("member", nargs="?", metavar="MEMBER", help="for history: a node id, or a key in hex digits")
    parser.add_argument("--network", metavar="ID", help="for show and history: this network only, 64 hex digits")
    parser.add_argument("--last", type=int, metavar="N", help=f"for history: the newest N ({_DEFAULT_LAST} by default)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Audit or show. Returns 1 where something in the ledger is wrong."""
    from ..ledger import LedgerError  # late: it loads the database's library

    _check(args)
    place = _place(settings)
    try:
        with _reader(place) as engine:
            if engine is None and not args.json:
                output.say(f"There is no ledger yet ({place.text}).")
            return {"check": _audit, "show": _show, "history": _history}[args.action](args, place, engine)
    except LedgerError as error:
        raise CommandError(str(error)) from None


def _check(args: argparse.Namespace) -> None:
    """Refuse what an action does not take, and read ids."""
    if args.action == "history" and args.member is None:
        raise CommandError("Name a member: ledger history MEMBER", exit_code=2)
    for given, takes, option in (
        (args.member is not None, args.action == "history", repr(args.member)),
        (args.last is not None, args.action == "history", "--last"),
        (args.network is not None, args.action != "check", "--network"),
    ):
        if given and not takes:
            raise CommandError(f"`ledger {args.action}` does not take {option} here.", exit_code=2)
    if args.last is not None and args.last < 1:
        raise CommandError("--last takes a number from 1.", exit_code=2)
    args.network = None if args.network is None else _digits(args.network, HASH_SIZE, "the id of a network")
    args.member = None if args.member is None else _member(args.member)


def _digits(text: str, size: int, what: str) -> bytes:
    with contextlib.suppress(ValueError):
        if len(data := bytes.fromhex(text)) == size:
            return data
    raise CommandError(f"{output.printable(text[:100])!r} is not {what}.", exit_code=2)


def _member(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        return decode_node_id(text)
    return _digits(text, KEY_SIZE, "a node id, nor a key in hex digits")


def _place(settings: Settings) -> Place:
    from ..ledger import LEDGER_FILE, Place

    if not settings.ledger:
        return Place.file(settings.home / LEDGER_FILE)
    try:
        return Place.parse(settings.ledger)
    except ValueError as error:
        raise CommandError(f"--ledger cannot be used: {error}.", exit_code=2) from None


@contextlib.contextmanager
def _reader(place: Place) -> Iterator[Engine | None]:
    """An engine that reads; None where there is no ledger yet."""
    from ..ledger.attempts import attempt
    from ..ledger.upgrade import check_readable

    if place.path is not None and not place.path.exists():
        yield None
        return
    engine = place.reader()

    def there() -> bool:
        with engine.connect() as connection:
            return check_readable(connection, place)

    try:
        yield engine if attempt(there, place) else None
    finally:
        engine.dispose()


def _audit(args: argparse.Namespace, place: Place, engine: Engine | None) -> int:
    from ..ledger import GRACE_S
    from ..ledger.attempts import attempt
    from ..ledger.audit import Audit, audit
    from . import ledger_views

    found = Audit() if engine is None else attempt(lambda: audit(engine, time.time() - GRACE_S), place)
    view = ledger_views.audit(place, found)
    if args.json:
        output.result_json(view)
    else:
        for name, value in view.items():
            if name != "findings":
                output.result(f"{name:<20}  {value}")
    for finding in found.findings:
        output.say(f"FAIL {finding.name} {output.printable(str(finding))}")
    if found.wrong > len(found.findings):
        output.say(f"FAIL and {found.wrong - len(found.findings)} more")
    return 0 if found.sound else 1


def _show(args: argparse.Namespace, place: Place, engine: Engine | None) -> int:
    from ..ledger.attempts import attempt
    from ..ledger.queries import holders
    from . import ledger_views

    found = [] if engine is None else attempt(lambda: holders(engine, args.network), place)
    views = [ledger_views.account(each) for each in found]
    if args.json:
        output.result_json({"ledger": place.text, "accounts": views})
    elif views:
        output.table(ledger_views.ACCOUNT_COLUMNS, map(ledger_views.account_row, views))
    return 0


def _history(args: argparse.Namespace, place: Place, engine: Engine | None) -> int:
    from ..ledger.attempts import attempt
    from ..ledger.queries import histories
    from . import ledger_views

    most = args.last or _DEFAULT_LAST
    found = [] if engine is None else attempt(lambda: histories(engine, args.member, args.network, most), place)
    views = [ledger_views.event(each) for each in found]
    if args.json:
        output.result_json({"ledger": place.text, "events": views})
    elif views:
        output.table(ledger_views.EVENT_COLUMNS, map(ledger_views.event_row, views))
    elif engine is not None:
        output.say("Nothing was booked for this member.")
    return 0
