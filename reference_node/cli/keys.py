"""``keys``: accounts and their certificates, backup and restore, rotation and revocation. All of it works offline."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mycellm_proto.membership import NodeRight
from mycellm_proto.nodeid import encode_node_id

from .. import identity, keyring
from ..config import parse_node_id
from ..keyring import KeyringError
from ..keyring.account import MAX_DAYS
from . import arguments, output, passphrase, runfile
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Settings

_HELP = "accounts, certificates, backup and restore, rotation and revocation of keys"
_EPILOG = """\
A node has a key of its own, on its machine. An account is a key that you keep elsewhere: it says, in certificates of at
most 30 days, which nodes act for it, and so survives every one of them. The ceremony, on a machine that is offline:
  keys account create FILE                 make the account; its id is printed, its key is sealed with a passphrase
  keys certify --account FILE NODEID --to NODE.cert
                                           let a node act for it (`keys show` on the node prints its id)
Then on the node:
  keys install NODE.cert                   checked, and in use from the next start
Keep two copies of FILE in two places, and the passphrase in a third. If a node is stolen: keys revoke.
"""
_CAPABILITIES = {"consume": NodeRight.CONSUME, "provide": NodeRight.PROVIDE}


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``keys`` and its actions."""
    parser = arguments.add_command(subparsers, "keys", _HELP)
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="Actions")
    add = _adder(actions)
    add("show", "this node's key, and the certificate of its account (the default)")
    account = add("account", "make an account, or show whose a file is")
    account.add_argument("what", choices=["create", "show"], help="create a new one in FILE, or show what FILE holds")
    account.add_argument("file", type=Path, metavar="FILE", help="the account's file; keep it off the node")
    passphrase.add_option(account)
    certify = add("certify", "sign a certificate: this node acts for the account")
    _account(certify)
    certify.add_argument("node", metavar="NODEID", help="the node's id, as `keys show` prints it there")
    certify.add_argument(
        "--days", type=int, default=MAX_DAYS, metavar="N", help=f"1 to {MAX_DAYS} (default: {MAX_DAYS})"
    )
    certify.add_argument(
        "--capabilities", default="consume,provide", metavar="LIST", help="consume, provide or both (the default)"
    )
    certify.add_argument("--to", type=Path, metavar="FILE", help="write it to FILE (default: print it)")
    install = add("install", "make a certificate this node's; one of another node or out of date is refused")
    install.add_argument("file", type=Path, metavar="CERT", help="what `keys certify` wrote")
    backup = add("backup", "seal what this home has and cannot make again: keys, memberships, controls, configuration")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file, outside the home")
    passphrase.add_option(backup)
    restore = add("restore", "put a backup into an empty home; the node gets a new key (KEY-008)")
    restore.add_argument("file", type=Path, metavar="FILE", help="what `keys backup` wrote")
    passphrase.add_option(restore)
    rotate = add("rotate", "make a new node key in the place of this one; no node may run meanwhile")
    rotate.add_argument("--destroy", action="store_true", help="destroy the old key instead of keeping it")
    revoke = add("revoke", "withdraw every certificate that the account has signed so far")
    _account(revoke)
    revoke.add_argument("--to", type=Path, required=True, metavar="FILE", help="where the statement is written")


def _adder(actions: arguments.Subparsers[argparse.ArgumentParser]) -> Callable[[str, str], argparse.ArgumentParser]:
    def add(name: str, help_line: str) -> argparse.ArgumentParser:
        return arguments.add_command(actions, name, help_line)

    return add


def _account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", type=Path, required=True, metavar="FILE", help="the account's file")
    passphrase.add_option(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do it, and say what comes next."""
    action = {
        "account": _account_file, "certify": _certify, "install": _install, "backup": _backup, "restore": _restore,
        "rotate": _rotate, "revoke": _revoke,
    }.get(args.action, _show)  # fmt: skip
    try:
        answer, lines = action(args, settings)
    except KeyringError as error:
        raise CommandError(str(error)) from None
    if args.json:
        output.result_json(answer)
    else:
        for line in lines:
            output.result(line)
    return 0


Answer = tuple[dict[str, Any], list[str]]


def _show(_args: argparse.Namespace, settings: Settings) -> Answer:
    found = identity.load_or_create(settings.home)
    answer: dict[str, Any] = {"node_id": found.text, "path": str(found.path), "certificate": None, "problem": None}
    lines = [f"node id      {found.text}", f"key file     {found.path}"]
    try:
        certificate = keyring.installed(settings.home, node=found.node_id, now=time.time())
    except KeyringError as error:
        return {**answer, "problem": str(error)}, [*lines, f"certificate  {error}"]
    if certificate is None:
        return answer, [*lines, "certificate  none: the node acts for itself"]
    answer["certificate"] = told = _told(certificate)
    lines += [f"{name.replace('_', ' '):12} {value}" for name, value in told.items()]
    return answer, lines


def _told(certificate: keyring.Installed) -> dict[str, Any]:
    body = certificate.body
    return {
        "account": encode_node_id(body.account),
        "capabilities": ",".join(name for name, right in _CAPABILITIES.items() if right & body.rights),
        "epoch": body.epoch,
        "expires": datetime.fromtimestamp(body.expires, UTC).isoformat(),
    }


def _account_file(args: argparse.Namespace, _settings: Settings) -> Answer:
    if args.what == "show":
        account, epoch = keyring.describe_account(args.file)
        lines = [f"account  {account}", f"epoch    {epoch}", "The file says so; only its passphrase proves it."]
        return {"account": account, "epoch": epoch}, lines
    made = keyring.create_account(args.file, passphrase.get(args, "the new account", new=True))
    lines = [
        f"account  {made.id}",
        f"file     {args.file}",
        "Keep two copies of the file in two places, and the passphrase in a third: nobody can make either again.",
        "Next: keys certify --account FILE NODEID --to NODE.cert",
    ]
    return {"account": made.id, "epoch": made.epoch, "path": str(args.file)}, lines


def _certify(args: argparse.Namespace, _settings: Settings) -> Answer:
    rights = NodeRight(0)
    for word in args.capabilities.split(","):
        if word not in _CAPABILITIES:
            raise CommandError(f"--capabilities {word!r} cannot be used: write consume, provide or both.", exit_code=2)
        rights |= _CAPABILITIES[word]
    try:
        node = parse_node_id(args.node)
    except ValueError as error:
        raise CommandError(f"{error}.", exit_code=2) from None
    account, _ = keyring.open_account(args.account, passphrase.get(args, "the account"))
    text = keyring.write_certificate(account.certify(node, rights, days=args.days, now=time.time()))
    answer = {"account": account.id, "node_id": args.node, "certificate": text, "path": _written(args.to, text)}
    return answer, [text] if args.to is None else [
        f"Written to {args.to}.",
        f"Next, on the node: keys install {args.to.name}",
    ]


def _install(args: argparse.Namespace, settings: Settings) -> Answer:
    own = identity.load_or_create(settings.home)
    try:
        text = args.file.read_bytes()[:MAX_STATEMENT].decode("ascii", "replace")
    except OSError as error:
        raise CommandError(f"{args.file}: {error.strerror}.") from None
    told = _told(keyring.install(settings.home, text, node=own.node_id, now=time.time()))
    return {"certificate": told}, [
        f"This node acts for {told['account']} ({told['capabilities']}) until {told['expires']}.",
        "A node that runs uses it from its next start. Install another before it expires.",
    ]


def _backup(args: argparse.Namespace, settings: Settings) -> Answer:
    made = keyring.make_backup(settings.home, args.file, passphrase.get(args, "the backup", new=True))
    lines = [
        f"Sealed in {args.file}: {', '.join(made.files)}.",
        "Not in it: receipts and other databases (`receipts export` writes the settled ones), and models.",
        "A node that is restored from it gets a new key: no backup can know which numbers the old one will have used.",
    ]
    return {"node_id": made.node_id, "files": list(made.files), "path": str(args.file)}, lines


def _restore(args: argparse.Namespace, settings: Settings) -> Answer:
    with runfile.claim(settings.home):
        made, new = keyring.restore_backup(settings.home, args.file, passphrase.get(args, "the backup"))
    answer = {"node_id": new.text, "before": made.node_id, "files": list(made.files)}
    return answer, [f"Restored: {', '.join(made.files)}.", *_new_key(made.node_id, new.text)]


def _rotate(args: argparse.Namespace, settings: Settings) -> Answer:
    with runfile.claim(settings.home):
        done = keyring.rotate(settings.home, destroy=args.destroy)
    archive = None if done.archive is None else str(done.archive)
    kept = (
        "The old key is destroyed here; disks and backups may still hold it."
        if archive is None
        else f"The old key is kept: {archive}."
    )
    answer = {"node_id": done.after.text, "before": done.before, "archive": archive}
    return answer, [kept, *_new_key(done.before, done.after.text)]


def _new_key(before: str, after: str) -> list[str]:
    """What a new key means for everybody."""
    return [
        f"This node was {before}",
        f"and is now    {after}",
        "Certificates: the old one names the old id. Next: keys certify --account FILE NODEID, where the account is.",
        "Networks: a membership of the account goes on with the new certificate; one of the old id is joined anew.",
        "Receipts: those of the old id stay valid; what others owe to it, or have reserved for it, stays with it.",
        "Peers: whoever names the old id (--peer, --allow) has to name the new one.",
    ]


def _revoke(args: argparse.Namespace, _settings: Settings) -> Answer:
    word = passphrase.get(args, "the account")
    account, seed = keyring.open_account(args.account, word)
    if args.to.exists():
        raise CommandError(f"{args.to} is there already, and is not overwritten. Choose another name.")
    after, signed = account.withdraw(seed, word)
    text = keyring.write_epoch(signed)
    answer = {"account": after.id, "epoch": after.epoch, "statement": text, "path": _written(args.to, text)}
    lines = [
        f"Written to {args.to}.",
        f"Every certificate of this account before epoch {after.epoch} is void where an authority has this statement.",
        "Next: give it to the authority of each network, and certify the nodes that you still have: keys certify.",
    ]
    return answer, lines


MAX_STATEMENT = 4096
"""Bytes of a certificate's text: it has about 350."""


def _written(path: Path | None, text: str) -> str | None:
    if path is None:
        return None
    if not identity.create_secret(path, text.encode() + b"\n"):
        raise CommandError(f"{path} is there already, and is not overwritten. Choose another name.")
    return str(path)
