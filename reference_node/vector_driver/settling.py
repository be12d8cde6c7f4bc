"""Families of settlement: claim, reserve."""

from __future__ import annotations

from mycellm_proto.settlement import Claim, Reserve, check_claim, check_reserve

from .notation import Inputs, Outcome, accept, outcome_of


def claim(inputs: Inputs) -> Outcome:
    """A claim, shown to a settlement node."""

    def derive() -> Outcome:
        verified = check_claim(
            Claim.decode(bytes.fromhex(inputs["claim"])),
            caller=bytes.fromhex(inputs["caller"]),
            networks=(bytes.fromhex(inputs["network"]),),
        )
        return accept(amount=verified.amount, final=verified.final)

    return outcome_of(derive)


def reserve(inputs: Inputs) -> Outcome:
    """A reservation, asked of a settlement node."""

    def derive() -> Outcome:
        found = check_reserve(
            Reserve.decode(bytes.fromhex(inputs["reserve"])),
            caller=bytes.fromhex(inputs["caller"]),
            networks=(bytes.fromhex(inputs["network"]),),
            now=float(inputs["now"]),
        )
        return accept(ceiling=found.open.ceiling)

    return outcome_of(derive)
