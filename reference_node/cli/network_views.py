"""What ``network`` prints for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from . import arguments, output


def show(action: str, answer: dict[str, Any]) -> None:
    """Print the answer of an action for people."""
    match action:
        case "show":
            _print_networks(answer["networks"])
        case "balance":
            _print_balances(answer["balances"])
        case "create":
            network = answer["created"]
            output.say(f"The network {network['name']} is made. Back up this home: its keys are the network.")
            output.say(f"Next: {arguments.program()} network {_next(network)}")
            _print_networks([network])
        case "invite":
            output.result(answer["invite"])
            output.say(f"For {answer['uses']} member(s), who reach this node at {', '.join(answer['contact'])}.")
            output.say("It is a secret: whoever has it may use it.")
        case "join":
            _print_networks([answer["joined"]])
        case "members":
            _print_members(answer)
        case "admit":
            _print_rows([answer["admitted"]])
        case "revoke" if "voided" in answer:
            voided = answer["voided"]
            output.say(f"Node certificates of {voided['account']} before its epoch {voided['before_epoch']} are void.")
        case "revoke":
            _print_rows([answer["revoked"]])
        case "leave":
            output.say(f"This node is no member of {output.printable(answer['left']['name'])} any more.")
        case _:
            output.say(f"The invite {answer['withdrawn']} can be used no more.")


def _print_balances(balances: list[dict[str, Any]]) -> None:
    if not balances:
        output.say("This node is in no network with a settlement node.")
        return
    rows = [
        [output.printable(row["name"]), *(str(row[column]) for column in ("balance", "reserved", "available"))]
        for row in balances
    ]
    output.table(("network", "balance", "reserved", "available"), rows)


def _next(network: dict[str, Any]) -> str:
    """How others come in."""
    if network["admission"] == "invite":
        return f"invite {network['name']}"
    return f"join {network['id']} --at NODEID@IP:PORT, at every member"


def _print_networks(networks: list[dict[str, Any]]) -> None:
    if not networks:
        output.say("This node is in no network. `network join INVITE` or `network create NAME` changes that.")
        return
    head = ("name", "kind", "roles", "member until", "settlement node", "id")
    output.table(head, [_network_row(network) for network in networks])


def _network_row(network: dict[str, Any]) -> list[str]:
    roles = ["authority"] if network["authority"] else []
    return [
        output.printable(network["name"]),
        network["kind"],
        ", ".join(roles + network["roles"]) or "none",
        _date(network["member_until"]) if network["member"] else "not a member (any more)",
        network["settlement"] or "none: members owe each other",
        network["id"],
    ]


def _print_members(answer: dict[str, Any]) -> None:
    _print_rows(answer["members"])
    invites = [invite for invite in answer["invites"] if invite["state"] == "open"]
    if invites:
        output.say("")
        rows = [
            [
                invite["serial"],
                output.printable(invite["label"]) or "-",
                f"{invite['used']} of {invite['uses']}",
                ", ".join(invite["roles"]) or "none",
                str(invite["quota"]),
                _date(invite["expires"]),
            ]
            for invite in invites
        ]
        output.table(("open invite", "label", "used", "roles", "quota", "until"), rows)


def _print_rows(members: list[dict[str, Any]]) -> None:
    rows = [
        [
            member["member"],
            output.printable(member["label"]) or "-",
            ", ".join(member["roles"]) or "none",
            str(member["quota"]),
            _date(member["member_until"]),
            member["state"],
        ]
        for member in members
    ]
    output.table(("member", "label", "roles", "quota", "until", "state"), rows)


def _date(seconds: int | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
