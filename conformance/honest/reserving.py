"""A provider and the settlement node of its network: it reserves before it answers, and claims afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.data import error_name, limit
from conformance.dcbor import Item
from conformance.members import SETTLED

from .rules import RefuseError

if TYPE_CHECKING:
    from .initiator import Initiator
    from .node import Node
    from .provider import Provider

RESERVE, SETTLE = 5, 6
BOOKED, REPEATED = 1, 2
_AGAIN = ("SETTLEMENT_UNAVAILABLE", "BUSY", "INTERNAL")


def is_settled(node: Node, network: bytes) -> bool:
    """Whether a settlement node keeps the accounts of a network."""
    held = node.store.networks.get(network)
    return held is not None and held.standing.terms[10] == SETTLED


def settler(node: Node, network: bytes) -> Initiator | None:
    """A connection to the settlement node of a network, on which both have shown themselves."""
    settlement = node.store.networks[network].standing.terms[9]
    fitting = (each for each in node.dialed() if each.session is not None and each.peer == settlement)
    return next((each for each in fitting if not each.over and network in each.shown), None)


def secure(request: Provider, tokens: int) -> None:
    """Have the ceiling reserved (SET-021, SET-024), and then accept. Raises `RefuseError`."""
    node, network = request.node, request.opened[0]
    link = settler(node, network)
    if link is None:
        raise RefuseError("SETTLEMENT_UNAVAILABLE")
    proof = request.connection.proofs[network]
    certificate = {} if proof.certificate is None else {3: proof.certificate}
    seconds = -(-request.content[4] // 1000) + limit("CLOSING_TIMEOUT")
    seconds = 1 if node.rules.skips("SET-024") else min(seconds, limit("MAX_RESERVATION"))
    asked: dict[int, Item] = {
        0: request.signed[0],
        1: request.signed[1],
        2: proof.membership,
        **certificate,
        4: seconds,
    }
    link.call(RESERVE, "reserved", asked, partial(_answered, request, tokens))


def _answered(request: Provider, tokens: int, result: dict[int, Item] | None, error: dict[int, Item] | None) -> None:
    if request.state != "REQUESTED":
        return
    skips = request.rules.skips
    if result is not None or skips("SET-021"):
        request.accept_after_thinking(tokens)
        return
    name = error_name(error[0]) if error is not None else ""
    if name == "INSUFFICIENT_CREDIT" and error is not None and not skips("SET-022"):
        request.refuse(RefuseError(name, limit=error.get(2, 0), actual=error.get(3, 0)))
    elif skips("SET-023"):
        request.accept_after_thinking(tokens)
    else:
        request.refuse(RefuseError("SETTLEMENT_UNAVAILABLE"))


def owe(request: Provider) -> None:
    """Keep what can be claimed of an exchange that is over (SET-025), and claim it."""
    if not is_settled(request.node, request.opened[0]):
        return
    claim: dict[int, Item] = {0: request.signed[0], 1: request.signed[1], 2: request.k, 3: request.link}
    if request.close is not None:
        claim[4] = request.signed[2]
    if request.countersignature is not None:
        claim[5] = request.countersignature
    request.node.store.due.append((request.opened[0], claim))
    if not request.rules.skips("SET-025"):
        request.node.save()
    link = settler(request.node, request.opened[0])
    if link is not None:
        claim_all(link, request.opened[0])


def claim_all(link: Initiator, network: bytes) -> None:
    """Show the settlement node what is due."""
    due = [claim for where, claim in link.node.store.due if where == network][: limit("MAX_BATCH")]
    if due:
        link.call(SETTLE, "settled", {0: due}, partial(_settled, link.node, network, due))


def _settled(
    node: Node,
    network: bytes,
    due: list[dict[int, Item]],
    result: dict[int, Item] | None,
    error: dict[int, Item] | None,
) -> None:
    outcomes = result[0] if result is not None else ()
    for claim, outcome in zip(due, outcomes, strict=False):
        if outcome[0] in (BOOKED, REPEATED) or error_name(outcome.get(1, 0)) not in _AGAIN:
            node.store.due.remove((network, claim))
    if outcomes:
        node.save()
