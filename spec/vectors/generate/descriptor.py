"""Family ``descriptor``: what a network's root says of it, and which of two descriptors counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from mycellm_proto.codec import Value
from mycellm_proto.errors import ErrorCode
from mycellm_proto.networks import (
    Admission,
    CreditPolicy,
    DataHandling,
    Descriptor,
    NetworkKind,
    newer_descriptor,
    read_descriptor,
)
from mycellm_proto.signed import Context, Signed

from .constants import CAROL, NOW, SHOWN, entropy, flipped, shown
from .family import HEX, NUMBER, Family, Json, accept, case, nullable, outcome, record, reject
from .members import AUTHORITY, LAB, NETWORK, OLD_AUTHORITY, ROOT, hexed
from .notation import as_map

_SIGNED = LAB.sign(ROOT)
_BODY = as_map(_SIGNED.body)
_MODELS = tuple(sorted(entropy(f"model {number}") for number in range(3)))
_PUBLIC = replace(
    LAB,
    name="all",
    kind=NetworkKind.PUBLIC,
    admission=Admission.OPEN,
    data_handling=DataHandling.OPEN,
    settlement=None,
    credit_policy=CreditPolicy.BILATERAL,
)
_ORG = replace(LAB, kind=NetworkKind.ORG, admission=Admission.AUTHORITY, models=_MODELS)

# Slug, requirements, the descriptor, and the one that is held already.
_GOOD: tuple[tuple[str, str, Descriptor, Descriptor | None], ...] = (
    ("accept-private", "NET-013~1 SIG-002~1 SIG-003~1", LAB, None),
    ("accept-public", "NET-014~1", _PUBLIC, None),
    ("accept-org-with-models", "NET-014~1", _ORG, None),
    (
        "accept-private-and-bilateral",
        "NET-014~1",
        replace(LAB, settlement=None, credit_policy=CreditPolicy.BILATERAL, models=()),
        None,
    ),
    ("accept-name-of-64", "NET-014~1", replace(LAB, name="0" + "a._-" * 15 + "z.9"), None),
    ("accept-in-its-last-second", "NET-015~1", replace(LAB, expires=NOW + 1), None),
    ("accept-256-models", "NET-011~1", replace(LAB, models=tuple(n.to_bytes(32, "big") for n in range(256))), None),
    ("accept-newer-revision", "NET-016~1", LAB, replace(LAB, revision=2, authority=OLD_AUTHORITY.public)),
    ("accept-older-revision-that-does-not-count", "NET-016~1", LAB, replace(LAB, revision=4, name="newer")),
    ("accept-the-same-again", "NET-017~1", LAB, LAB),
)

_SHAPE = "NET-011~1"
_BAD: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {13: True}),
    ("reject-even-key", "EXT-003~1", {12: True}),
    ("reject-root-of-31-bytes", _SHAPE, {0: bytes(31)}),
    ("reject-name-empty", _SHAPE, {1: ""}),
    ("reject-name-of-65", _SHAPE, {1: "a" * 65}),
    ("reject-kind-0", _SHAPE, {2: 0}),
    ("reject-kind-4", _SHAPE, {2: 4}),
    ("reject-admission-4", _SHAPE, {3: 4}),
    ("reject-revision-0", _SHAPE, {4: 0}),
    ("reject-authority-null", _SHAPE, {5: None}),
    ("reject-models-of-31-bytes", _SHAPE, {6: [bytes(31)]}),
    ("reject-257-models", _SHAPE, {6: [n.to_bytes(32, "big") for n in range(257)]}),
    ("reject-data-handling-3", _SHAPE, {7: 3}),
    ("reject-assurance-1", _SHAPE, {8: 1}),
    ("reject-settlement-text", _SHAPE, {9: "node"}),
    ("reject-credit-policy-3", _SHAPE, {10: 3}),
    ("reject-expires-negative", _SHAPE, {11: -1}),
    ("reject-name-in-upper-case", "NET-014~1", {1: "Lab"}),
    ("reject-name-with-a-line-break", "NET-014~1", {1: "lab\n"}),
    ("reject-name-that-begins-with-a-dot", "NET-014~1", {1: ".lab"}),
    ("reject-models-descending", "NET-014~1", {6: list(reversed(_MODELS))}),
    ("reject-model-twice", "NET-014~1", {6: [_MODELS[0], _MODELS[0]]}),
    ("reject-settled-without-settlement-node", "NET-014~1", {9: None}),
    ("reject-bilateral-with-settlement-node", "NET-014~1", {10: 1}),
    ("reject-private-and-open", "NET-014~1", {3: 1}),
    ("reject-public-by-invite", "NET-014~1", {2: 1, 9: None, 10: 1}),
    ("reject-public-and-settled", "NET-014~1", {2: 1, 3: 1}),
    ("reject-org-and-bilateral", "NET-014~1", {2: 3, 9: None, 10: 1}),
    ("reject-expired", "NET-015~1", {11: NOW}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, descriptor, held in _GOOD:
        signed = descriptor.sign(ROOT)
        counts = newer_descriptor(held, read_descriptor(signed, network=NETWORK, now=NOW))
        expect = accept(fields=_fields(descriptor), revision=counts.revision)
        made.append(_case(slug, requirement, signed, held, expect))
    for slug, requirement, change in _BAD:
        made.append(_refused(slug, requirement, Signed.make(ROOT, Context.DESCRIPTOR, {**_BODY, **change})))
    for key, name in ((0, "root"), (6, "models"), (9, "settlement")):
        rest = {k: v for k, v in _BODY.items() if k != key}
        made.append(_refused(f"reject-without-{name}", _SHAPE, Signed.make(ROOT, Context.DESCRIPTOR, rest)))
    made += [
        _refused("reject-of-another-root", "NET-012~1", replace(LAB, root=CAROL.public).sign(CAROL)),
        _refused("reject-signed-by-another", "NET-013~1", LAB.sign(CAROL)),
        _refused("reject-signed-by-the-authority", "NET-013~1", LAB.sign(AUTHORITY)),
        _refused("reject-flipped-signature", "NET-013~1", replace(_SIGNED, signature=flipped(_SIGNED.signature))),
        _refused("reject-unsigned", "NET-013~1", replace(_SIGNED, signature=bytes(64))),
        _refused("reject-wrong-context", "NET-013~1", Signed.make_over(ROOT, Context.MEMBERSHIP, _SIGNED.body)),
        _refused("reject-two-of-one-revision", "NET-017~1", _SIGNED, replace(LAB, settlement=CAROL.public)),
        _refused(
            "reject-body-with-trailing-byte",
            "ENC-011~1",
            Signed.make_over(ROOT, Context.DESCRIPTOR, _SIGNED.body + b"\x00"),
        ),
    ]
    return made


def _fields(descriptor: Descriptor) -> dict[str, Json]:
    models = None if descriptor.models is None else [digest.hex() for digest in descriptor.models]
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(descriptor).items()}
    return {**fields, "models": models}


def _case(slug: str, requirement: str, signed: Signed, held: Descriptor | None, expect: Json) -> dict[str, Json]:
    content: dict[str, Json] = {
        "network": NETWORK.hex(),
        "now": NOW,
        "held": None if held is None else hexed(held.sign(ROOT)),
        **shown(signed, Context.DESCRIPTOR),
    }
    return case(slug, requirement, **content, expect=expect)


def _refused(slug: str, requirement: str, signed: Signed, held: Descriptor | None = None) -> dict[str, Json]:
    expect = reject(
        lambda: newer_descriptor(held, read_descriptor(signed, network=NETWORK, now=NOW)),
        ErrorCode.NOT_MEMBER,
        requirement,
    )
    return _case(slug, requirement, signed, held, expect)


_FIELDS = record(
    root=HEX,
    name={"type": "string"},
    kind=NUMBER,
    admission=NUMBER,
    revision=NUMBER,
    authority=HEX,
    models=nullable({"type": "array", "items": HEX}),
    data_handling=NUMBER,
    assurance=NUMBER,
    settlement=nullable(HEX),
    credit_policy=NUMBER,
    expires=NUMBER,
)

FAMILY = Family(
    name="descriptor",
    description="Descriptors of networks, as a verifier takes them that knows the network's id.",
    notes=(
        "network is the id, now the time in seconds since 1970. body and signature make the descriptor that is"
        " offered.",
        "held is the descriptor of the same network that the verifier has taken before, or null.",
        "Accepted: fields is what the body says, revision that of the descriptor which counts from then on: the"
        " offered one's, or held's. Rejected: held still counts.",
    ),
    verification=(
        "Make the checks 1 and 2 of SPEC.md, Networks, and say which descriptor counts.",
        "held has passed all checks before; it is not to be judged again.",
    ),
    schema={
        "network": HEX,
        "now": NUMBER,
        "held": nullable(HEX),
        **SHOWN,
        "expect": outcome(fields=_FIELDS, revision=NUMBER),
    },
    cases=_cases,
)
