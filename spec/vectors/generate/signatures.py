"""Family ``signatures``: Ed25519, where libraries differ."""

from __future__ import annotations

from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import verify

from . import edwards
from .constants import ALICE, BOB, entropy, flipped
from .family import HEX, DisagreementError, Family, Json, accept, case, record, reject

_SEED = entropy("alice")
_MESSAGE = b"mycellm vectors: signatures"
_SCALAR = edwards.secret_scalar(_SEED)
_NONCE = int.from_bytes(entropy("nonce"), "little") % edwards.L
_SMALL_Y = [edwards.compress(edwards.multiply(order, edwards.TORSION)) for order in range(8)]
"""The eight points of small order; the first is the identity."""


def _judged(
    slug: str, requirement: str, public: bytes, message: bytes, signature: bytes, *, valid: bool
) -> dict[str, Json]:
    def check() -> None:
        verify(public, signature, message, code=ErrorCode.ENCODING, requirement="KEY-002")

    if valid:
        check()
        expect: Json = accept()
    else:
        reject(check, ErrorCode.ENCODING, "KEY-002")
        expect = {"verdict": "reject"}
    content: dict[str, Json] = {"public": public.hex(), "message": message.hex(), "signature": signature.hex()}
    return case(slug, requirement, **content, expect=expect)


def _mixed() -> list[dict[str, Json]]:
    """A and R with a component of order 8: valid only where what is left of it cancels without the cofactor."""
    made = []
    for name, key_torsion, nonce_torsion in (("key", 1, 0), ("nonce", 0, 1), ("key-and-nonce", 1, 1)):
        for valid in (True, False):
            found = _search(key_torsion, nonce_torsion, valid=valid)
            if found is not None:
                public, message, signature = found
                slug = f"{'accept' if valid else 'reject'}-mixed-order-{name}"
                made.append(_judged(slug, "KEY-002~1", public, message, signature, valid=valid))
    return made


def _search(key_torsion: int, nonce_torsion: int, *, valid: bool) -> tuple[bytes, bytes, bytes] | None:
    """The first message for which the torsion cancels, or does not; None where there is none in 64."""
    for number in range(64):
        message = _MESSAGE + bytes((number,))
        public, signature = edwards.forge(
            _SEED, message, key_torsion=key_torsion, nonce_torsion=nonce_torsion, nonce=_NONCE
        )
        left = edwards.torsion_balance(public, signature, message, key_torsion=key_torsion, nonce_torsion=nonce_torsion)
        if (left == 0) is valid:
            return public, message, signature
    return None


def _small_order() -> list[dict[str, Json]]:
    """Keys and nonces of small order, in signatures that satisfy the equation: only the rule refuses them."""
    made = []
    for order, public in enumerate(_SMALL_Y):
        for number in range(64):
            message = _MESSAGE + bytes((number,))
            r = edwards.compress(edwards.multiply(_NONCE, edwards.BASE))
            if edwards.challenge(r, public, message) * order % 8 == 0:
                signature = r + _NONCE.to_bytes(32, "little")
                made.append(
                    _judged(f"reject-key-of-small-order-{order}", "KEY-002~1", public, message, signature, valid=False)
                )
                break
    for order, r in enumerate(_SMALL_Y):
        s = edwards.challenge(r, ALICE.public, _MESSAGE) * _SCALAR % edwards.L
        signature = r + s.to_bytes(32, "little")
        made.append(
            _judged(f"reject-nonce-of-small-order-{order}", "KEY-002~1", ALICE.public, _MESSAGE, signature, valid=False)
        )
    # Another encoding of the identity, for who looks for small points by their bytes.
    other = (edwards.P + 1).to_bytes(32, "little")
    signature = edwards.compress(edwards.multiply(_NONCE, edwards.BASE)) + _NONCE.to_bytes(32, "little")
    made.append(_judged("reject-key-small-and-not-canonical", "KEY-002~1", other, _MESSAGE, signature, valid=False))
    s = edwards.challenge(other, ALICE.public, _MESSAGE) * _SCALAR % edwards.L
    signature = other + s.to_bytes(32, "little")
    slug = "reject-nonce-small-and-not-canonical"
    made.append(_judged(slug, "KEY-002~1", ALICE.public, _MESSAGE, signature, valid=False))
    identity = _SMALL_Y[0]
    made.append(_judged("reject-all-identity", "KEY-002~1", identity, _MESSAGE, identity + bytes(32), valid=False))
    return made


def _not_canonical() -> list[dict[str, Json]]:
    """Encodings of y that are not below p, and the sign of an x that is zero."""
    made = []
    honest = ALICE.sign(_MESSAGE)
    for offset in (0, 1, 3, 4, 5, 18):
        encoded = (edwards.P + offset).to_bytes(32, "little")
        for place, public, signature in (
            ("key", encoded, honest),
            ("nonce", ALICE.public, encoded + honest[32:]),
        ):
            slug = f"reject-{place}-not-canonical-p-plus-{offset}"
            made.append(_judged(slug, "KEY-002~1", public, _MESSAGE, signature, valid=False))
    negative_zero = (1 | 1 << 255).to_bytes(32, "little")
    made.append(_judged("reject-key-negative-zero", "KEY-002~1", negative_zero, _MESSAGE, honest, valid=False))
    nonce = negative_zero + honest[32:]
    made.append(_judged("reject-nonce-negative-zero", "KEY-002~1", ALICE.public, _MESSAGE, nonce, valid=False))
    return made


def _cases() -> list[dict[str, Json]]:
    honest = ALICE.sign(_MESSAGE)
    s = int.from_bytes(honest[32:], "little")
    rows: list[tuple[str, bytes, bytes, bytes, bool]] = [
        ("accept-honest", ALICE.public, _MESSAGE, honest, True),
        ("accept-empty-message", ALICE.public, b"", ALICE.sign(b""), True),
        ("accept-long-message", ALICE.public, bytes(1024), ALICE.sign(bytes(1024)), True),
        ("reject-other-message", ALICE.public, _MESSAGE + b"\x00", honest, False),
        ("reject-other-key", BOB.public, _MESSAGE, honest, False),
        ("reject-flipped-nonce", ALICE.public, _MESSAGE, flipped(honest), False),
        ("reject-flipped-scalar", ALICE.public, _MESSAGE, honest[:32] + flipped(honest[32:]), False),
        ("reject-zero", ALICE.public, _MESSAGE, bytes(64), False),
        (
            "reject-scalar-plus-order",
            ALICE.public,
            _MESSAGE,
            honest[:32] + (s + edwards.L).to_bytes(32, "little"),
            False,
        ),
        ("reject-scalar-is-order", ALICE.public, _MESSAGE, honest[:32] + edwards.L.to_bytes(32, "little"), False),
        ("reject-scalar-high-bits", ALICE.public, _MESSAGE, honest[:63] + bytes((honest[63] | 0xE0,)), False),
        ("reject-key-not-on-curve", _off_curve(), _MESSAGE, honest, False),
        ("reject-nonce-not-on-curve", ALICE.public, _MESSAGE, _off_curve() + honest[32:], False),
        ("reject-signature-of-63-bytes", ALICE.public, _MESSAGE, honest[:63], False),
        ("reject-signature-of-65-bytes", ALICE.public, _MESSAGE, honest + b"\x00", False),
        ("reject-signature-empty", ALICE.public, _MESSAGE, b"", False),
        ("reject-key-of-31-bytes", ALICE.public[:31], _MESSAGE, honest, False),
        ("reject-key-of-33-bytes", ALICE.public + b"\x00", _MESSAGE, honest, False),
    ]
    made = [
        _judged(slug, "KEY-002~1", public, message, signature, valid=valid)
        for slug, public, message, signature, valid in rows
    ]
    return made + _mixed() + _small_order() + _not_canonical()


def _off_curve() -> bytes:
    for y in range(2, 100):
        if edwards.recover_x(y, 0) is None:
            return y.to_bytes(32, "little")
    raise DisagreementError("every y is on the curve")


FAMILY = Family(
    name="signatures",
    description="Ed25519 signatures, valid and not, with the edge cases on which libraries disagree.",
    notes=(
        "Accepted: signature is valid for message under public. Rejected: it is not.",
        "The rule is RFC 8032 section 5.1.7 without the cofactor, with S below the group order, A and R canonical and"
        " neither of small order (KEY-002). libsodium has that rule; OpenSSL and batch verification have not.",
        "In the cases of mixed order, A or R or both carry a component of order 8: verification with the cofactor"
        " accepts all of them.",
        "message is signed as it is: these are not signed objects.",
    ),
    verification=(
        "Verify signature over message under public. Only the verdict counts, not why.",
        "Run all of them whenever your library or its version changes: the rule of SPEC.md (KEY-002) is not that of"
        " every library.",
    ),
    schema={
        "public": HEX,
        "message": HEX,
        "signature": HEX,
        "expect": {"anyOf": [record(verdict={"const": "accept"}), record(verdict={"const": "reject"})]},
    },
    cases=_cases,
)
