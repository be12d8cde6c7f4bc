"""Family ``revocation``: the epochs with which accounts withdraw their own certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mycellm_proto.codec import Value
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_EPOCH
from mycellm_proto.membership import AccountEpoch, read_account_epoch
from mycellm_proto.signed import Context, Signed

from .constants import ALICE, SHOWN, flipped, shown
from .family import HEX, NUMBER, Family, Json, accept, case, outcome, reject
from .members import AUTHORITY, DORA
from .notation import as_map

_EPOCH = AccountEpoch(account=DORA.public, epoch=6)
_SIGNED = _EPOCH.sign(DORA)

_SHAPE, _BY = "KEY-014~1", "KEY-015~1"
_BAD: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {3: True}),
    ("reject-account-of-31-bytes", _SHAPE, {0: bytes(31)}),
    ("reject-epoch-0", _SHAPE, {1: 0}),
    ("reject-epoch-of-2-53", _SHAPE, {1: 1 << 53}),
    ("reject-epoch-text", _SHAPE, {1: "6"}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, epoch in (("accept-plain", _EPOCH), ("accept-highest", replace(_EPOCH, epoch=MAX_EPOCH))):
        signed = epoch.sign(DORA)
        read = read_account_epoch(signed)
        made.append(_case(slug, _BY, signed, accept(account=read.account.hex(), epoch=read.epoch)))
    for slug, requirement, change in _BAD:
        forged = Signed.make(DORA, Context.ACCOUNT_EPOCH, {**as_map(_SIGNED.body), **change})
        made.append(_refused(slug, requirement, forged, ErrorCode.MALFORMED))
    for slug, signed in (
        ("reject-signed-by-its-node", _EPOCH.sign(ALICE)),
        ("reject-signed-by-the-authority", _EPOCH.sign(AUTHORITY)),
        ("reject-unsigned", replace(_SIGNED, signature=bytes(64))),
        ("reject-flipped-signature", replace(_SIGNED, signature=flipped(_SIGNED.signature))),
        ("reject-wrong-context", Signed.make_over(DORA, Context.NODE_CERTIFICATE, _SIGNED.body)),
    ):
        made.append(_refused(slug, _BY, signed, ErrorCode.NOT_ALLOWED))
    return made


def _case(slug: str, requirement: str, signed: Signed, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, **shown(signed, Context.ACCOUNT_EPOCH), expect=expect)


def _refused(slug: str, requirement: str, signed: Signed, code: ErrorCode) -> dict[str, Json]:
    return _case(slug, requirement, signed, reject(lambda: read_account_epoch(signed), code, requirement))


FAMILY = Family(
    name="revocation",
    description="Epochs of accounts, as the authority's node gets them in REVOKE.",
    notes=(
        "body and signature make the signed object.",
        "Accepted: every certificate of account with a lower epoch is withdrawn. Rejected: the call is refused with"
        " the code.",
    ),
    verification=("Judge the signed object. Whether the account is a member does not count here.",),
    schema={**SHOWN, "expect": outcome(account=HEX, epoch=NUMBER)},
    cases=_cases,
)
