"""Family ``countersign``: the consumer's agreement, as the provider sees it."""

from __future__ import annotations

from mycellm_proto.economy import check_countersignature, countersign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed, preimage

from . import constants as c
from .family import HEX, Family, Json, accept, case, outcome, record, reject

_OTHER = Signed.make(c.BOB, Context.CLOSE, {0: "another close"})
_GOOD = countersign(c.ALICE, c.SIGNED_CLOSE)


def _over(key: SigningKey, context: Context, body: bytes) -> bytes:
    return Signed.make_over(key, context, body).signature


_BODY = c.SIGNED_CLOSE.body
_BAD: tuple[tuple[str, bytes], ...] = (
    ("reject-flipped", c.flipped(_GOOD)),
    ("reject-flipped-scalar", _GOOD[:32] + c.flipped(_GOOD[32:])),
    ("reject-zero", bytes(64)),
    ("reject-close-context", _over(c.ALICE, Context.CLOSE, _BODY)),
    ("reject-open-context", _over(c.ALICE, Context.OPEN, _BODY)),
    ("reject-of-another-close", _over(c.ALICE, Context.COUNTERSIGN, _OTHER.body)),
    ("reject-body-without-context", c.ALICE.sign(_BODY)),
    ("reject-of-the-provider", _over(c.BOB, Context.COUNTERSIGN, _BODY)),
    ("reject-the-providers-own-signature", c.SIGNED_CLOSE.signature),
    ("reject-unknown-key", _over(c.CAROL, Context.COUNTERSIGN, _BODY)),
)


def _cases() -> list[dict[str, Json]]:
    made = [_case("accept-honest", _GOOD, accept())]
    for slug, signature in _BAD:
        expect = reject(
            lambda signature=signature: check_countersignature(c.SIGNED_CLOSE, signature, consumer=c.ALICE.public),  # type: ignore[misc]
            ErrorCode.BAD_CLOSE,
            "RCP-029~1",
        )
        made.append(_case(slug, signature, expect))
    return made


def _case(slug: str, signature: bytes, expect: Json) -> dict[str, Json]:
    content: dict[str, Json] = {
        "consumer": c.ALICE.public.hex(),
        "body": _BODY.hex(),
        "signature": signature.hex(),
        "intermediate": {"preimage": preimage(Context.COUNTERSIGN, _BODY).hex()},
    }
    return case(slug, "RCP-029~1", **content, expect=expect)


FAMILY = Family(
    name="countersign",
    description="Countersignatures of one close.",
    notes=(
        "body is the close's body, byte for byte as the provider signed it; signature is what COUNTERSIGN holds;"
        " consumer is the consumer of the open.",
        "Accepted: the exchange is settled. Rejected: the connection is closed with the code, and the provider is left"
        " with its claim.",
    ),
    verification=(
        "Judge signature as the provider that sent the close.",
        "What the close says does not count: the provider wrote it itself.",
    ),
    schema={
        "consumer": HEX,
        "body": HEX,
        "signature": HEX,
        "intermediate": record(preimage=HEX),
        "expect": outcome(),
    },
    cases=_cases,
)
