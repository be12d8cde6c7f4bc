"""``receipts``: list, verify, show and export the receipts of this home, and verify those of others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mycellm_proto.receipt import encode_receipt, receipt_of

from . import arguments, output, receipt_balances, receipt_files, receipt_views
from .output import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from ..config import Settings
    from ..store.audit import Archive, Audited

_HELP = "list and verify the receipts of this node; exits with 1 when one does not verify"
_EPILOG = """\
A receipt proves what was billed and agreed to, and holds nothing of what was said.
  receipts                       list and verify all
  receipts verify [ID]           verify all, or those whose id begins with ID
  receipts show ID               everything that one receipt says
  receipts balance               who owes whom, and what is left of the allowance
  receipts export FILE           write the settled ones for a third party, one a line
  receipts verify --file FILE    verify what somebody else exported
"""
_HEX = frozenset("0123456789abcdef")


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``receipts``."""
    parser = arguments.add_command(subparsers, "receipts", _HELP)
    parser.epilog = _EPILOG
    actions = ["list", "verify", "show", "balance", "export"]
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="list (the default)")
    parser.add_argument("target", nargs="?", metavar="ID|FILE", help="for verify and show: an id; for export: a file")
    parser.add_argument("--last", type=int, metavar="N", help="for list: the newest N only")
    parser.add_argument("--file", type=Path, metavar="FILE", help="for verify: what was exported, not what is stored")
    parser.add_argument("--hex", action="store_true", help="for show: the portable receipt in hexadecimal digits")
    parser.add_argument("--cbor", type=Path, metavar="FILE", help="for show: write the portable receipt to FILE")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List, verify, show or export. Returns 1 where a receipt does not verify."""
    from ..store import StoreError  # late: it loads the database's library

    _check(args)
    try:
        if args.file is not None:
            return _verify_file(args, _networks(settings))
        with _archive(settings) as archive:
            if args.action == "balance":
                return _balance(args, archive, _allowance(settings))
            return {"list": _list, "verify": _verify, "show": _show, "export": _export}[args.action](args, archive)
    except StoreError as error:
        raise CommandError(str(error)) from None


def _check(args: argparse.Namespace) -> None:
    """Refuse what an action does not take."""
    action = args.action
    wanted = {"show": "an id: receipts show ID", "export": "a file: receipts export FILE"}
    if action in wanted and args.target is None:
        raise CommandError(f"Name {wanted[action]}", exit_code=2)
    for given, takes, option in (
        (args.target is not None, action not in ("list", "balance") and args.file is None, repr(args.target)),
        (args.last is not None, action == "list", "--last"),
        (args.file is not None, action == "verify", "--file"),
        (args.hex, action == "show", "--hex"),
        (args.cbor is not None, action == "show" and not args.hex, "--cbor"),
    ):
        if given and not takes:
            raise CommandError(f"`receipts {action}` does not take {option} here.", exit_code=2)
    if args.last is not None and args.last < 1:
        raise CommandError("--last takes a number from 1.", exit_code=2)
    if action in ("verify", "show") and args.target is not None and not _HEX.issuperset(args.target):
        raise CommandError(f"{args.target!r} is not the beginning of an id; `receipts list` shows them.", exit_code=2)


@contextlib.contextmanager
def _archive(settings: Settings) -> Iterator[Archive | None]:
    from ..store import RECEIPTS_FILE
    from ..store.audit import open_archive

    with open_archive(settings.home / RECEIPTS_FILE, _networks(settings)) as archive:
        yield archive


def _networks(settings: Settings) -> set[bytes]:
    from mycellm_proto.economy import DIRECT_NETWORK

    from ..networks import known_networks

    return {DIRECT_NETWORK, *known_networks(settings.home)}


def _list(args: argparse.Namespace, archive: Archive | None) -> int:
    receipts = [receipt_views.summary(each) for each in archive.receipts(last=args.last)] if archive else []
    frauds = [receipt_views.fraud(each) for each in archive.frauds()] if archive else []
    if args.json:
        output.result_json({"receipts": receipts, "frauds": frauds, "failed": _failed([*receipts, *frauds])})
    elif receipts:
        output.table(receipt_views.COLUMNS, map(receipt_views.row, receipts))
    else:
        output.say("No receipts yet. One is kept for every answer of a peer, and for every answer to one.")
    for each in frauds:
        consumer, sequence = each["consumer"], each["sequence"]
        output.say(f"Proof of fraud: {consumer} signed two opens under number {sequence}; --json shows both.")
    return _conclude([*receipts, *frauds])


def _allowance(settings: Settings) -> int:
    """The allowance that the owner has set at run time, or else the setting's."""
    from ..identity import HomeError
    from ..owner import Owner

    try:
        return Owner.open(settings).controls.allowance
    except HomeError as error:
        raise CommandError(str(error)) from None


def _balance(args: argparse.Namespace, archive: Archive | None, allowance: int) -> int:
    """Returns 1 where a receipt does not verify: it is not in the sums."""
    found = receipt_balances.balances(archive, allowance)
    pool = found["pool"]
    if args.json:
        output.result_json(found)
    elif found["peers"]:
        output.table(receipt_balances.COLUMNS, map(receipt_balances.row, found["peers"]))
    output.say(f"In micro-credits. Of the allowance of {pool['allowance']} in 24 hours {pool['left']} are left.")
    if found["unverified"]:
        output.say(f"FAIL {found['unverified']} receipts do not verify and do not count: see `receipts verify`.")
    return 1 if found["unverified"] else 0


def _verify(args: argparse.Namespace, archive: Archive | None) -> int:
    """All in the archive, one at a time: it may be large."""
    receipts = _chosen(archive, args.target) if args.target is not None else archive.receipts() if archive else ()
    count, failures = 0, []
    for audited in receipts:
        count += 1
        if audited.findings:
            failures.append(receipt_views.summary(audited))
    if archive is not None and args.target is None:
        failures += [proof for each in archive.frauds() if not (proof := receipt_views.fraud(each))["verified"]]
    return _verdict(args, count, failures)


def _verify_file(args: argparse.Namespace, networks: set[bytes]) -> int:
    with _naming(args.file):
        found = list(receipt_files.verify(args.file, networks))
    if not found:
        raise CommandError(f"{args.file} holds no receipt.")
    return _verdict(args, len(found), [each for each in found if not each["verified"]])


def _verdict(args: argparse.Namespace, count: int, failures: list[dict[str, Any]]) -> int:
    if args.json:
        output.result_json({"receipts": count, "failed": len(failures), "failures": failures})
    else:
        output.result(f"{count} receipts, {len(failures)} failed")
    return _conclude(failures)


def _show(args: argparse.Namespace, archive: Archive | None) -> int:
    chosen = _chosen(archive, args.target)
    if len({audited.id for audited in chosen}) > 1:
        raise CommandError(f"{len(chosen)} ids begin with {args.target}. Write more of it.", exit_code=2)
    if args.hex or args.cbor:
        _portable(args, chosen[0])
    elif args.json:
        output.result_json({"receipts": [receipt_views.details(audited) for audited in chosen]})
    else:
        for audited in chosen:
            for name, value in receipt_views.details(audited).items():
                output.result(f"{name:<16}  {receipt_views.cell(value)}")
    return _conclude([receipt_views.summary(audited) for audited in chosen])


def _portable(args: argparse.Namespace, audited: Audited) -> None:
    data = _encoded(audited)
    if data is None:
        raise CommandError("This receipt was not countersigned, so there is nothing that both sides agreed on.")
    if args.hex:
        if args.json:
            output.result_json({"id": audited.id, "receipt": data.hex()})
        else:
            output.result(data.hex())
        return
    with _naming(args.cbor), _new_file(args.cbor) as file:
        file.write(data)
    if args.json:
        output.result_json({"file": str(args.cbor), "receipts": 1})


def _export(args: argparse.Namespace, archive: Archive | None) -> int:
    path, written, left, failures = Path(args.target), 0, 0, []
    with _naming(path), _new_file(path) as file:
        for audited in archive.receipts() if archive else ():
            if audited.findings:
                failures.append(receipt_views.summary(audited))
            elif (data := _encoded(audited)) is not None:
                file.write(data.hex().encode() + b"\n")
                written += 1
            else:
                left += 1
    if args.json:
        output.result_json({"file": str(path), "receipts": written, "unsettled": left, "failed": len(failures)})
    else:
        output.say(f"{written} receipts are in {path}; {left} that were not countersigned are not.")
    return _conclude(failures)


def _encoded(audited: Audited) -> bytes | None:
    evidence = audited.record.evidence if audited.record else None
    if evidence is None or evidence.close is None or evidence.countersignature is None:
        return None
    return encode_receipt(receipt_of(evidence))


def _chosen(archive: Archive | None, prefix: str) -> list[Audited]:
    chosen = list(archive.receipts(prefix=prefix)) if archive else []
    if not chosen:
        raise CommandError(f"No receipt here has an id that begins with {prefix}.")
    return chosen


def _failed(views: Iterable[dict[str, Any]]) -> int:
    return sum(not view["verified"] for view in views)


def _conclude(views: list[dict[str, Any]]) -> int:
    """Say which do not verify, and why; the exit code."""
    for view in views:
        for finding in view["findings"]:
            output.say(f"FAIL {view['id']} {output.printable(finding)}")
    return 1 if _failed(views) else 0


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file it was that could not be read or written."""
    try:
        yield
    except FileExistsError:
        raise CommandError(f"{path} exists already. Choose another name.") from None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner only: a receipt says who asked whom."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file
