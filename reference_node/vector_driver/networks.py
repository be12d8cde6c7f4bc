"""Families of networks: descriptor, roll, membership, invite, revocation, arguments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mycellm_proto import records, settlement
from mycellm_proto.codec import decode
from mycellm_proto.invite import Invite, decode_invite, encode_invite, read_invite
from mycellm_proto.items import Item
from mycellm_proto.membership import MemberRole, Proof, read_account_epoch, verify_membership
from mycellm_proto.network_calls import SHAPES, decode_item
from mycellm_proto.networks import DESCRIPTOR, Descriptor, newer_descriptor, read_descriptor
from mycellm_proto.roll import ROLL, Roll, newer_roll, read_roll
from mycellm_proto.signed import Signed

from .notation import Inputs, Outcome, accept, named, outcome_of, signed

_ITEMS: dict[str, type[Item]] = {kind.shape.name: kind for kind in (*settlement.ITEMS, *records.ITEMS)}
_RULES: dict[str, type[Any]] = {shape.name: kind for kind, shape in SHAPES.items()}


def _object(data: str) -> Signed:
    return Signed.from_value(decode(bytes.fromhex(data)))


def _descriptor(data: str) -> Descriptor:
    """A descriptor that the case says is verified."""
    return Descriptor(**DESCRIPTOR.read_item(_object(data).body))


def descriptor(inputs: Inputs) -> Outcome:
    """A descriptor, offered to a verifier that may hold one."""
    network, now = bytes.fromhex(inputs["network"]), float(inputs["now"])

    def derive() -> Outcome:
        offered = read_descriptor(signed(inputs), network=network, now=now)
        held = None if inputs["held"] is None else _descriptor(inputs["held"])
        models = None if offered.models is None else [digest.hex() for digest in offered.models]
        fields = {**asdict(offered), "models": models}
        return accept(fields=named(fields), revision=newer_descriptor(held, offered).revision)

    return outcome_of(derive)


def roll(inputs: Inputs) -> Outcome:
    """A roll, offered to a verifier that may hold one."""
    known = _descriptor(inputs["descriptor"])

    def derive() -> Outcome:
        offered = read_roll(signed(inputs), descriptor=known, now=float(inputs["now"]))
        held = None if inputs["held"] is None else Roll(**ROLL.read_item(_object(inputs["held"]).body))
        return accept(number=newer_roll(held, offered).number)

    return outcome_of(derive)


def membership(inputs: Inputs) -> Outcome:
    """A node, with all that it shows of itself and of the network."""
    network, node, now = bytes.fromhex(inputs["network"]), bytes.fromhex(inputs["node"]), float(inputs["now"])

    def derive() -> Outcome:
        known = read_descriptor(_object(inputs["descriptor"]), network=network, now=now)
        newest = None if inputs["roll"] is None else read_roll(_object(inputs["roll"]), descriptor=known, now=now)
        certificate = None if inputs["node_certificate"] is None else _object(inputs["node_certificate"])
        member = verify_membership(
            Proof(membership=_object(inputs["membership"]), node_certificate=certificate),
            descriptor=known,
            roll=newest,
            node=node,
            now=now,
            role=MemberRole(inputs["role"]),
        )
        shown = {"member": member.member, "serial": member.serial, "quota": member.quota, "expires": member.expires}
        return accept(**named(shown), roles=int(member.roles))

    return outcome_of(derive)


def invite(inputs: Inputs) -> Outcome:
    """An invite's text: read and judged, or written."""
    if "invite" in inputs:
        return accept(text=encode_invite(_object(inputs["invite"])))
    try:
        offered = decode_invite(inputs["text"])
    except ValueError:
        return {"verdict": "reject"}
    known = _descriptor(inputs["descriptor"])
    outcome = outcome_of(lambda: _shown(read_invite(offered, descriptor=known, now=float(inputs["now"]))))
    return outcome if outcome["verdict"] == "accept" else {"verdict": "reject"}


def _shown(read: Invite) -> Outcome:
    addresses = [{"ip": ip.hex(), "port": port} for ip, port in read.contact.addresses]
    return accept(
        serial=read.serial.hex(),
        uses=read.uses,
        roles=int(read.roles),
        quota=read.quota,
        expires=read.expires,
        contact={"node": read.contact.node.hex(), "addresses": addresses},
    )


def revocation(inputs: Inputs) -> Outcome:
    """An account's epoch."""
    return outcome_of(lambda: accept(**named(asdict(read_account_epoch(signed(inputs))))))


def arguments(inputs: Inputs) -> Outcome:
    """What goes into a call of networks, or comes out."""

    def derive() -> Outcome:
        data = bytes.fromhex(inputs["hex"])
        item = _ITEMS.get(inputs["rule"])
        if item is None:
            decode_item(_RULES[inputs["rule"]], data)
        else:
            item.decode(data)
        return accept()

    return outcome_of(derive)
