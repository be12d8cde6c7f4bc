"""Ed25519 by the rule of KEY-002, and a self-test that notices another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import keys
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.keys import SigningKey, VerifierDriftError, is_valid, self_test, verify

from .pair import ALICE, BOB

ORDER = (1 << 252) + 27_742_317_777_372_353_535_851_937_790_883_648_493
FIELD = (1 << 255) - 19
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.fixture
def untested() -> Iterator[None]:
    """The self-test has not run yet, and does not remember what a test made of it."""
    self_test.cache_clear()
    yield
    self_test.cache_clear()


def by_openssl(public: bytes, signature: bytes, preimage: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, preimage)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_rfc_8032_vector_2() -> None:
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert is_valid(key.public, signature, b"\x72")


@given(st.binary(max_size=200))
def test_what_a_key_signs_is_valid_and_the_same_every_time(preimage: bytes) -> None:
    signature = ALICE.sign(preimage)
    assert signature == ALICE.sign(preimage)
    assert is_valid(ALICE.public, signature, preimage)
    assert not is_valid(BOB.public, signature, preimage)
    assert not is_valid(ALICE.public, signature, preimage + b"\0")


@given(st.binary(max_size=20), st.integers(0, 511))
def test_one_bit_breaks_it(preimage: bytes, bit: int) -> None:
    signature = bytearray(ALICE.sign(preimage))
    signature[bit // 8] ^= 1 << bit % 8
    assert not is_valid(ALICE.public, bytes(signature), preimage)


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0), (64, 32)])
def test_other_sizes_are_never_valid(key: int, signature: int) -> None:
    assert not is_valid(bytes(key), bytes(signature), b"")


def test_s_is_below_the_group_order() -> None:
    """Without that check every signature has a second form: another receipt for the same agreement."""
    signature = ALICE.sign(b"once")
    scalar = int.from_bytes(signature[32:], "little")
    for multiple in range(1, 8):
        again = signature[:32] + (scalar + multiple * ORDER).to_bytes(32, "little")
        assert not is_valid(ALICE.public, again, b"once")


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_keys_and_points_of_small_order_sign_nothing(point: str) -> None:
    """With such a key one signature verifies for every message: a receipt could be repudiated."""
    public, zero = bytes.fromhex(point), bytes(32)
    for message in (b"", b"anything", b"a receipt"):
        for nonce in map(bytes.fromhex, SMALL_ORDER):
            assert not is_valid(public, nonce + zero, message)
        assert not is_valid(ALICE.public, public + ALICE.sign(message)[32:], message)


def test_openssl_is_laxer_and_so_is_not_used() -> None:
    public, signature = bytes.fromhex(SMALL_ORDER[0]), bytes.fromhex(SMALL_ORDER[0]) + bytes(32)
    assert by_openssl(public, signature, b"any message")
    assert not is_valid(public, signature, b"any message")


@pytest.mark.parametrize("value", [FIELD, FIELD + 1, FIELD + 18], ids=["p", "p + 1", "p + 18"])
@pytest.mark.parametrize("sign", [0, 1 << 255], ids=["even", "odd"])
def test_encodings_that_are_not_canonical_are_refused(value: int, sign: int) -> None:
    point = (value | sign).to_bytes(32, "little")
    assert not is_valid(point, ALICE.sign(b"x"), b"x")
    assert not is_valid(ALICE.public, point + ALICE.sign(b"x")[32:], b"x")


def test_refusals_carry_what_they_were_asked_to() -> None:
    verify(ALICE.public, ALICE.sign(b"x"), b"x", code=ErrorCode.BAD_OPEN, requirement="RCP-010")
    with pytest.raises(RemoteProtocolError) as refused:
        verify(ALICE.public, ALICE.sign(b"x"), b"y", code=ErrorCode.BAD_OPEN, requirement="RCP-010")
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.BAD_OPEN, "RCP-010")


@pytest.mark.parametrize(
    "drifted",
    [by_openssl, lambda *_: True, lambda *_: False, lambda public, *_: public.hex() not in SMALL_ORDER],
    ids=["OpenSSL's rule", "accepts all", "refuses all", "the rule with the cofactor"],
)
@pytest.mark.usefixtures("untested")
def test_a_verifier_with_another_rule_is_noticed_before_any_key_is_used(
    monkeypatch: pytest.MonkeyPatch, drifted: Callable[[bytes, bytes, bytes], bool]
) -> None:
    monkeypatch.setattr(keys, "is_valid", drifted)
    for _ in range(2):  # and again: a failure is not remembered as a success
        with pytest.raises(VerifierDriftError):
            SigningKey(bytes(32))
        with pytest.raises(VerifierDriftError):
            verify(ALICE.public, bytes(64), b"", code=ErrorCode.BAD_OPEN, requirement="RCP-010")


@pytest.mark.parametrize("wrong", range(len(keys._SELF_TEST)))
@pytest.mark.usefixtures("untested")
def test_each_case_of_the_self_test_counts(monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    message, public, signature, verdict = keys._SELF_TEST[wrong]

    def drifted(key: bytes, signed: bytes, preimage: bytes) -> bool:
        case = (preimage, key.hex(), signed.hex()) == (message, public, signature)
        return not verdict if case else is_valid(key, signed, preimage)

    self_test()
    self_test.cache_clear()
    monkeypatch.setattr(keys, "is_valid", drifted)
    with pytest.raises(VerifierDriftError):
        self_test()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        SigningKey(bytes(size))
