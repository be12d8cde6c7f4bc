"""Families of discovery: record, address."""

from __future__ import annotations

from mycellm_proto.codec import decode
from mycellm_proto.records import RECORD, Record, Source, admissible, newer_record, read_record
from mycellm_proto.signed import Signed

from .notation import Inputs, Outcome, accept, outcome_of, signed


def record(inputs: Inputs) -> Outcome:
    """A record, offered to a node that may hold one."""

    def derive() -> Outcome:
        held = None
        if inputs["held"] is not None:
            held = Record(**RECORD.read_item(Signed.from_value(decode(bytes.fromhex(inputs["held"]))).body))
        return accept(sequence=newer_record(held, read_record(signed(inputs), now=float(inputs["now"]))).sequence)

    return outcome_of(derive)


def address(inputs: Inputs) -> Outcome:
    """An address that may be dialed, or not."""
    where = (bytes.fromhex(inputs["ip"]), int(inputs["port"]))
    told_at = inputs["told_at"]
    beside = None if told_at is None else (bytes.fromhex(told_at), int(inputs["port"]))
    return accept() if admissible((where,), Source[inputs["source"]], beside) else {"verdict": "reject"}
