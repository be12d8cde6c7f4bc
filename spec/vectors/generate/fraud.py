"""Family ``fraud``: two opens under one identity."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.codec import encode
from mycellm_proto.economy import sign
from mycellm_proto.receipt import verify_double_open
from mycellm_proto.signed import Context, Signed

from . import constants as c
from .family import HEX, DisagreementError, Family, Json, accept, case, outcome

_OTHER = replace(c.OPEN, request=c.entropy("another request"))
_CAROLS = replace(_OTHER, consumer=c.CAROL.public)
_TO_CAROL = replace(_OTHER, provider=c.CAROL.public)

_PROOFS: tuple[tuple[str, Signed, Signed], ...] = (
    ("accept-other-request", c.SIGNED_OPEN, sign(c.ALICE, _OTHER)),
    ("accept-other-ceiling", c.SIGNED_OPEN, sign(c.ALICE, replace(c.OPEN, ceiling=1))),
    ("accept-in-either-order", sign(c.ALICE, _OTHER), c.SIGNED_OPEN),
)
_NONE: tuple[tuple[str, Signed, Signed], ...] = (
    ("reject-the-same-open-twice", c.SIGNED_OPEN, c.SIGNED_OPEN),
    ("reject-next-sequence", c.SIGNED_OPEN, sign(c.ALICE, replace(_OTHER, sequence=8))),
    ("reject-other-provider", c.SIGNED_OPEN, sign(c.ALICE, _TO_CAROL)),
    ("reject-other-network", c.SIGNED_OPEN, sign(c.ALICE, replace(_OTHER, network=c.entropy("another network")))),
    ("reject-other-consumer", c.SIGNED_OPEN, sign(c.CAROL, _CAROLS)),
    ("reject-second-signed-by-another", c.SIGNED_OPEN, sign(c.CAROL, _OTHER)),
    ("reject-first-signed-by-another", sign(c.BOB, _OTHER), c.SIGNED_OPEN),
    (
        "reject-second-flipped",
        c.SIGNED_OPEN,
        replace(sign(c.ALICE, _OTHER), signature=c.flipped(c.SIGNED_OPEN.signature)),
    ),
    (
        "reject-second-in-another-context",
        c.SIGNED_OPEN,
        Signed.make_over(c.ALICE, Context.QUOTE, sign(c.ALICE, _OTHER).body),
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, first, second in _PROOFS + _NONE:
        proof = slug.startswith("accept-")
        if (verify_double_open(first, second) == []) is not proof:
            raise DisagreementError(slug)
        expect = accept(consumer=c.ALICE.public.hex()) if proof else {"verdict": "reject"}
        content: dict[str, Json] = {
            "first": encode(first.to_value()).hex(),
            "second": encode(second.to_value()).hex(),
        }
        made.append(case(slug, "RCP-049~1", **content, expect=expect))
    return made


FAMILY = Family(
    name="fraud",
    description="Pairs of opens that prove, or do not, that their consumer authorised twice under one number.",
    notes=(
        "first and second are signed objects: opens.",
        "Accepted: together they prove that consumer signed two different opens under one identity. Rejected: they"
        " prove nothing.",
    ),
    verification=(
        "Judge the two as anyone who has both, in whatever order they come.",
        "Only the verdict counts, and who is proved to have done it.",
    ),
    schema={"first": HEX, "second": HEX, "expect": outcome(coded=False, consumer=HEX)},
    cases=_cases,
)
