"""``owner``: what the owner of a node decides, also while it runs."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import parse_allowed, parse_node_id
from ..config.sharing import network_name, parse_models, parse_network
from ..owner import CONTROLS, Changes, Owner, OwnerError
from . import arguments, node_api, output, runfile
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..config import Settings

_HELP = "prices, limits, pause and drain, who may use this node, and what is offered where"
_RULE = """
A change is in force at once in a running node, and kept in the home directory, so that a restart keeps it too: it wins
over flags, environment and config.toml until `owner reset NAME`. Where no node runs, the next start has it.
"""
Value = TypeVar("Value")
Result = TypeVar("Result")

LOOK_S = 0.5
"""How often the running node is asked how far its drain is."""
ANSWER_S = 60
"""Beyond a drain's own time: ending answers, and a busy machine."""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``owner`` and its actions."""
    parser = arguments.add_command(subparsers, "owner", _HELP)
    parser.epilog = _RULE
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="Actions")
    add = _adder(actions)
    add("show", "every control: its value, and whether it was changed (the default)")
    prices = add("prices", "set what a token costs; new quotes go out at once, exchanges that run keep theirs")
    prices.add_argument("--in", dest="price_in", type=int, metavar="MICRO_CREDITS", help="one prompt token")
    prices.add_argument("--out", dest="price_out", type=int, metavar="MICRO_CREDITS", help="one generated token")
    limits = add("limits", "set how much is served unpaid, what a request may cost, and what is kept for yourself")
    limits.add_argument("--allowance", type=int, metavar="MICRO_CREDITS", help="served unpaid in 24 hours, to all")
    limits.add_argument("--max-spend", type=int, metavar="MICRO_CREDITS", help="most that one request may cost you")
    limits.add_argument("--peer-slots", type=int, metavar="N", help="requests of peers answered at once; 0: no bound")
    add("pause", "offer nothing to peers and take no request of theirs; what runs goes on")
    add("resume", "serve peers again after a pause; also stops a drain")
    drain = add("drain", "take nothing new, wait for what runs, then stay paused or end the node")
    drain.add_argument("--within", type=int, default=600, metavar="SECONDS", help="end what still runs (default: 600)")
    drain.add_argument("--exit", action="store_true", help="end the node afterwards; a restart serves again")
    _ids(add("block", "neither serve nor use a node: what runs for it ends, its connection closes"))
    _ids(add("unblock", "take nodes off the block list"))
    _ids(add("allow", "let nodes use this one (`any`: every node)"), "NODEID|any")
    _ids(add("disallow", "take nodes, or `any`, off that list; what runs goes on"), "NODEID|any")
    share = add("share", "choose the models that peers may use in a network")
    share.add_argument(
        "network", metavar="NETWORK", help="direct (nodes that share no network), or a network's name or id"
    )
    share.add_argument("models", nargs="+", metavar="MODEL", help="model ids; or all, or none")
    reset = add("reset", "go back to the value of the setting (flag, environment, config.toml, default)")
    reset.add_argument("names", nargs="+", choices=CONTROLS, metavar="NAME", help=", ".join(CONTROLS))


def _adder(actions: arguments.Subparsers[argparse.ArgumentParser]) -> Callable[[str, str], argparse.ArgumentParser]:
    def add(name: str, help_line: str) -> argparse.ArgumentParser:
        parser = arguments.add_command(actions, name, help_line)
        parser.epilog = _RULE
        return parser

    return add


def _ids(parser: argparse.ArgumentParser, metavar: str = "NODEID") -> None:
    parser.add_argument("ids", nargs="+", metavar=metavar, help="a node's id, such as `peers` shows")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do it, in the running node or in the home."""
    action = args.action or "show"
    if action == "drain":
        return _drain(args, settings)
    if action == "resume":
        _stop_drain(settings)
    _show(args, _changed(settings, _changes(action, args, settings.home)))
    return 0


def _changes(action: str, args: argparse.Namespace, home: Path) -> Changes | None:
    """What an action changes; None where it only shows. Raises `CommandError`."""
    match action:
        case "prices":
            changes = _given(args, "price_in", "price_out")
        case "limits":
            changes = _given(args, "allowance", "max_spend", "peer_slots")
        case "pause" | "resume":
            changes = Changes(paused=action == "pause")
        case "share":
            args.network = network_name(_network(args.network, home))
            models = _check(parse_models, args.models)
            changes = Changes(share={args.network: None if models is None else tuple(sorted(models))})
        case "reset":
            changes = Changes(reset=tuple(args.names))
        case "allow" | "disallow" | "block" | "unblock":
            parse = parse_allowed if action.endswith("allow") else parse_node_id
            for text in args.ids:
                _check(parse, text)
            lists: dict[str, Any] = {action: tuple(args.ids)}
            changes = Changes(**lists)
        case _:
            return None
    return changes


def _given(args: argparse.Namespace, *names: str) -> Changes:
    values = {name: value for name in names if (value := getattr(args, name)) is not None}
    if not values:
        flags = " or ".join("--" + name.removeprefix("price_").replace("_", "-") for name in names)
        raise CommandError(f"Say what to change: {flags}.", exit_code=2)
    return Changes(**values)


def _network(text: str, home: Path) -> bytes:
    """``direct``, a network's id, or the name of one that this node is in. Raises `CommandError`."""
    from ..identity import load_or_create
    from ..networks import NetworkError, Networks, NetworksFolder

    node = load_or_create(home).node_id
    try:
        return Networks(NetworksFolder(home), node, time.time).find(text).id
    except NetworkError:
        return _check(parse_network, text)


def _check(parse: Callable[[Value], Result], value: Value) -> Result:
    try:
        return parse(value)
    except ValueError as error:
        raise CommandError(f"{value!r} cannot be used: {error}.", exit_code=2) from None


def _changed(settings: Settings, changes: Changes | None) -> dict[str, Any]:
    """Every control after a change, made where it is in force."""
    admin = node_api.admin(settings)
    if admin is not None:
        answer = admin.call("GET", "/owner") if changes is None else admin.call("PATCH", "/owner", _body(changes))
        return {**answer, "running": True}
    if changes is None:
        return {"controls": Owner.open(settings).shown(), "running": False}
    with runfile.claim(settings.home):  # so that no node starts with what was before
        owner = Owner.open(settings)
        try:
            owner.change(changes)
        except OwnerError as error:
            raise CommandError(str(error)) from None
        return {"controls": owner.shown(), "running": False}


def _body(changes: Changes) -> dict[str, Any]:
    """A change as the admin API takes it: without what stays as it is."""
    return {name: value for name, value in asdict(changes).items() if value is not None and value not in ((), {})}


def _show(args: argparse.Namespace, state: dict[str, Any]) -> None:
    if args.json:
        output.result_json(state)
        return
    controls: dict[str, dict[str, Any]] = state["controls"]
    rows = [
        (
            name,
            _text(name, each["value"]),
            f"changed (setting: {_text(name, each['setting'])})" if each["changed"] else "setting",
        )
        for name, each in controls.items()
    ]
    output.table(("control", "value", "from"), rows)
    if not state["running"]:
        output.say("No node runs with this home: this holds at the next start.")


def _text(name: str, value: object) -> str:
    if isinstance(value, dict):
        rows = (f"{network}={_models(models)}" for network, models in value.items())
        return output.printable("; ".join([*rows, "every model elsewhere"]))
    if isinstance(value, list):
        return ", ".join(value) or ("nobody" if name == "allow" else "none")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _models(models: list[str] | None) -> str:
    return "all" if models is None else ",".join(models) or "none"


def _stop_drain(settings: Settings) -> None:
    admin = node_api.admin(settings)
    if admin is not None and admin.call("GET", "/drain").get("state") == "draining":
        admin.call("DELETE", "/drain")


def _drain(args: argparse.Namespace, settings: Settings) -> int:
    """Order a drain, and say how far it is until it is over."""
    admin = node_api.admin(settings)
    if admin is None:
        raise CommandError(
            "No node runs with this home, so there is nothing to drain. `owner pause` holds at the next start."
        )
    then = "exit" if args.exit else "pause"
    view = admin.call("POST", "/drain", {"within_s": args.within, "then": then})
    said = ""
    until = time.monotonic() + args.within + ANSWER_S
    while view["state"] == "draining" and time.monotonic() < until:
        line = f"{view['peers']} of peers, {view['own']} of your own" if args.exit else f"{view['peers']} of peers"
        if line != said and not args.json:
            output.say(f"Still running: {line}; what runs in {view['seconds_left']:.0f} s is ended.")
        said = line
        time.sleep(LOOK_S)
        view = _look(admin, view, settings)
    if args.json:
        output.result_json({"drain": view})
    elif view["state"] == "cancelled":
        output.say("The drain was cancelled.")
    else:
        output.say(_over(view))
    return 0 if view["state"] == "done" else 1


def _look(admin: node_api.Admin, before: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """How far it is now. A node that does not answer any more has ended, or is about to."""
    try:
        return admin.call("GET", "/drain")
    except CommandError:
        until = time.monotonic() + ANSWER_S
        while before["then"] == "exit" and time.monotonic() < until:
            if runfile.find(settings.home) is None:
                return {**before, "state": "done", "peers": 0, "own": 0, "seconds_left": 0.0}
            time.sleep(LOOK_S)
        raise


def _over(view: dict[str, Any]) -> str:
    ended = f" {view['ended']} were ended at the deadline, and billed." if view["ended"] else ""
    after = (
        "The node ends." if view["then"] == "exit" else f"It stays paused until `{arguments.program()} owner resume`."
    )
    return f"Nothing runs for peers any more.{ended} {after}"
