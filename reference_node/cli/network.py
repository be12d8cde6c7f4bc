"""``network``: networks with members, rules and accounts; as a member and as their authority."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ..config import parse_address, parse_node_id, parse_peer
from ..config.sharing import parse_network
from . import arguments, network_views, node_api, output, runfile
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Address, Settings
    from ..networks import Terms

Value = TypeVar("Value")

_HELP = "networks with members, rules and accounts: create, invite, join, members, revoke, balance, show"
_EPILOG = """
A running node is asked to do it; where none runs it is done in the home directory. Amounts are in micro-credits.
NAME is what `network show` prints, or the network's id.
"""
DAY_S = 24 * 3600
JOIN_S = 30.0
"""How long it may take to reach an authority and to be answered."""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``network`` and its actions."""
    parser = arguments.add_command(subparsers, "network", _HELP)
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="Actions")

    def add(name: str, help_line: str, *, named: bool = True) -> argparse.ArgumentParser:
        action = arguments.add_command(actions, name, help_line)
        action.epilog = _EPILOG
        if named:
            action.add_argument("name", metavar="NAME", help="the network")
        return action

    show = add("show", "the networks that this node is in (the default)", named=False)
    show.add_argument("name", nargs="?", metavar="NAME", help="only this one")
    balance = add("balance", "what this node's member has, in the networks with a settlement node", named=False)
    balance.add_argument("name", nargs="?", metavar="NAME", help="only in this one")
    _add_create(add("create", "make a network; this node becomes its authority and, unless told otherwise, "
                              "keeps its accounts"))  # fmt: skip
    _add_invite(add("invite", "print an invite: whoever has its text can become a member"))
    join = add("join", "become a member by an invite, or of a network that is open or has admitted you", named=False)
    join.add_argument("invite", metavar="INVITE|ID", help="the text that begins with mycellm-invite:, or - to read it; "
                                                          "with --at the network's id")  # fmt: skip
    join.add_argument("--at", metavar="NODEID@IP:PORT", help="without an invite: the node of the network's authority")
    join.add_argument("--as-node", action="store_true",
                      help="as this node itself, not as the account that `keys install` gave it")  # fmt: skip
    admit = add("admit", "admit a node without an invite, or give a member other roles and a further quota")
    admit.add_argument("member", metavar="ID", help="a node's id, or an account's")
    _add_membership(admit)
    add("members", "who is and was a member, and the invites; only at the authority")
    revoke = add("revoke", "put a member out: at the settlement node at once, elsewhere within a minute")
    what = revoke.add_mutually_exclusive_group(required=True)
    what.add_argument("member", nargs="?", metavar="ID", help="as `network members` prints it")
    what.add_argument("--statement", metavar="FILE",
                      help="what `keys revoke` wrote: an account withdraws its older node certificates; a member "
                           "sends it to the authority")  # fmt: skip
    withdraw = add("withdraw", "let an invite be used no more; who came in by it stays")
    withdraw.add_argument("invite", metavar="INVITE", help="its text, or its serial number in `network members`")
    add("leave", "be a member no more")


def _add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=["public", "private", "org"], default="private",
                        help="public: anyone; private: people who know each other (the default); org: an "
                             "organisation, with accounts, whose authority names the machines")  # fmt: skip
    parser.add_argument("--admission", choices=["open", "invite", "authority"],
                        help="how members come in (default: open for public, else invite)")  # fmt: skip
    parser.add_argument("--settlement", metavar="NODEID", default="self",
                        help="the node that keeps the accounts (default: this one)")  # fmt: skip
    parser.add_argument("--no-accounts", action="store_true", help="no settlement node: members owe each other")
    parser.add_argument("--model", action="append", metavar="DIGEST",
                        help="serve only this model, by the digest that `models` prints; may be repeated")  # fmt: skip
    parser.add_argument("--on-node", action="store_true",
                        help="providers compute on their own machine, and hand nothing on")  # fmt: skip


def _add_membership(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", action="append", choices=["consumer", "provider"],
                        help="may be repeated (default: consumer)")  # fmt: skip
    parser.add_argument("--quota", type=int, default=0, metavar="MICRO_CREDITS", help="granted once (default: 0)")
    parser.add_argument("--label", default="", metavar="TEXT", help="for your own eyes: whose it is")


def _add_invite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uses", type=int, default=1, metavar="N", help="how many may use it (default: 1)")
    _add_membership(parser)
    parser.add_argument("--days", type=int, default=7, metavar="N", help="how long it can be used (default: 7)")
    parser.add_argument("--address", metavar="IP:PORT",
                        help="where members reach this node's QUIC port, behind a router for example "
                             "(default: where it listens)")  # fmt: skip


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do it, in the running node or in the home."""
    from ..keyring import KeyringError
    from ..networks import NetworkError

    args.action = args.action or "show"
    admin = node_api.admin(settings)
    try:
        answer = _online(args, admin) if admin is not None else _offline(args, settings)
    except (NetworkError, KeyringError) as error:
        raise CommandError(str(error)) from None
    if args.json:
        output.result_json(answer)
    else:
        network_views.show(args.action, answer)
    return 0


# In the running node


def _online(args: argparse.Namespace, admin: node_api.Admin) -> dict[str, Any]:
    name = getattr(args, "name", None) or ""
    path = f"/networks/{quote(name, safe='')}"
    requests: dict[str, Callable[[], tuple[str, str, object]]] = {
        "show": lambda: ("GET", f"/networks?name={quote(name)}" if name else "/networks", None),
        "balance": lambda: ("GET", f"/networks/balances?name={quote(name)}" if name else "/networks/balances", None),
        "create": lambda: ("POST", "/networks", _terms(args) | {"name": name}),
        "join": lambda: ("POST", "/networks/join", _joining(args)),
        "leave": lambda: ("DELETE", path, None),
        "members": lambda: ("GET", f"{path}/members", None),
        "admit": lambda: ("POST", f"{path}/members", _seat(args) | {"member": args.member}),
        "revoke": lambda: (
            ("DELETE", f"{path}/members/{quote(args.member, safe='')}", None)
            if args.member
            else ("POST", f"{path}/revocations", {"statement": _statement(args)})
        ),
        "invite": lambda: (
            "POST",
            f"{path}/invites",
            _seat(args) | {"uses": args.uses, "days": args.days, "address": args.address},
        ),
        "withdraw": lambda: ("DELETE", f"{path}/invites/{_serial(args.invite)}", None),
    }
    return admin.call(*requests[args.action]())


def _terms(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "kind": args.kind,
        "admission": args.admission,
        "settlement": None if args.no_accounts else args.settlement,
        "models": args.model,
        "data_handling": "on_node" if args.on_node else "open",
    }


def _joining(args: argparse.Namespace) -> dict[str, Any]:
    how = {"network": args.invite, "at": args.at} if args.at else {"invite": _invite_text(args)}
    return how | {"as_node": args.as_node}


def _seat(args: argparse.Namespace) -> dict[str, Any]:
    return {"roles": args.role or ["consumer"], "quota": args.quota, "label": args.label}


# In the home


def _offline(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    if args.action == "balance":
        raise CommandError("Only a running node can ask a settlement node. Start it first.")
    if args.action in ("show", "members"):
        return asyncio.run(_at_home(args, settings))  # also while a node starts
    with runfile.claim(settings.home):  # so that no node starts with what was before
        return asyncio.run(_at_home(args, settings))


async def _at_home(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    from ..identity import load_or_create
    from ..networks import desk_of

    identity = load_or_create(settings.home)
    async with desk_of(settings, identity) as desk:
        async with asyncio.timeout(JOIN_S):
            if args.action == "join":
                if not args.at:
                    return await desk.join(_invite_text(args), as_node=args.as_node)
                where = _checked(parse_peer, args.at)
                return await desk.join_at(_checked(parse_network, args.invite), where, as_node=args.as_node)
            if args.action == "revoke" and args.statement:
                return await desk.revoke_certificates(args.name, _statement(args))
        actions: dict[str, Callable[[], dict[str, Any]]] = {
            "show": lambda: desk.show(args.name),
            "create": lambda: desk.create(_typed_terms(args, identity.node_id)),
            "leave": lambda: desk.leave(args.name),
            "members": lambda: desk.members(args.name),
            "admit": lambda: desk.admit(args.name, _id(args), **_typed_seat(args)),
            "revoke": lambda: desk.revoke(args.name, _id(args)),
            "invite": lambda: desk.invite(
                args.name,
                _reached(args, settings),
                uses=args.uses,
                life_s=args.days * DAY_S,
                **_typed_seat(args),
            ),
            "withdraw": lambda: desk.withdraw(args.name, _serial(args.invite)),
        }
        return actions[args.action]()


def _typed_terms(args: argparse.Namespace, node: bytes) -> Terms:
    from ..networks import parse_digest, terms

    models = None if args.model is None else [_checked(parse_digest, digest) for digest in args.model]
    return terms(args.name, **_terms(args) | {"models": models}, node=node)


def _typed_seat(args: argparse.Namespace) -> dict[str, Any]:
    from ..networks import parse_roles

    return {"roles": parse_roles(args.role or ["consumer"]), "quota": _quota(args), "label": args.label}


def _reached(args: argparse.Namespace, settings: Settings) -> list[Address]:
    from ..networks import where_reached

    return [_checked(parse_address, args.address)] if args.address else where_reached(settings.quic)


# What is typed


def _checked(parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise CommandError(f"{text[:100]!r} cannot be used: {error}.", exit_code=2) from None


def _id(args: argparse.Namespace) -> bytes:
    return _checked(parse_node_id, args.member)


def _quota(args: argparse.Namespace) -> int:
    from mycellm_proto.limits import MAX_AMOUNT

    quota = int(args.quota)
    if not 0 <= quota <= MAX_AMOUNT:
        raise CommandError(f"--quota {quota}: write a number from 0 to {MAX_AMOUNT}.", exit_code=2)
    return quota


def _invite_text(args: argparse.Namespace) -> str:
    text: str = args.invite
    return sys.stdin.readline().strip() if text == "-" else text


def _statement(args: argparse.Namespace) -> str:
    try:
        return Path(args.statement).read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise CommandError(f"{args.statement} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _serial(text: str) -> str:
    """An invite's serial number: what is typed of a secret goes no further than it must."""
    from ..networks.authority import serial_of

    return serial_of(text).hex() if text.startswith("mycellm-invite:") else text
