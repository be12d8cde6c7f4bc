"""Node ids in bech32m, with the vectors of BIP-350."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.nodeid import decode_bech32m, decode_key, decode_node_id, encode_bech32m, encode_key, encode_node_id

VALID = [
    "A1LQFN3A",
    "a1lqfn3a",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]
INVALID = [
    "\x201xj0phk",
    "\x7f1g6xzxy",
    "\x801vctc34",
    "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
    "qyrz8wqd2c9m",
    "1qyrz8wqd2c9m",
    "y1b0jsk6g",
    "lt1igcx5c0",
    "in1muywd",
    "mm1crxm3i",
    "au1s5cgom",
    "M1VUXWEZ",
    "16plkw9",
    "1p2gdwpf",
]
ID = encode_node_id(bytes(range(32)))


@pytest.mark.parametrize("text", VALID)
def test_valid_vectors_decode_and_encode_again(text: str) -> None:
    assert encode_bech32m(*decode_bech32m(text)) == text.lower()


@pytest.mark.parametrize("text", INVALID)
def test_invalid_vectors_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it |no id|its "):
        decode_bech32m(text)


@given(st.binary(min_size=32, max_size=32))
def test_an_id_has_one_written_form(public: bytes) -> None:
    text = encode_node_id(public)
    assert len(text) == 62
    assert text.startswith("myc1")
    assert decode_node_id(text) == public


@given(st.integers(4, 61), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_one_wrong_character_is_found(position: int, character: str) -> None:
    if ID[position] != character:
        with pytest.raises(ValueError, match="checksum"):
            decode_node_id(ID[:position] + character + ID[position + 1 :])


@pytest.mark.parametrize("text", [
    "", "myc1", ID.upper(), ID + " ", " " + ID, ID[:-1], ID + "q", ID.replace("myc1", "Myc1"), ID * 2,
    "myc1" + "é" * 58,
    encode_key("mycsecret", bytes(32)),
    encode_bech32m("myc", [0] * 51),
    encode_bech32m("myc", [0] * 53),
    encode_bech32m("myc", [0] * 51 + [1]),
    encode_bech32m("myc", [0] * 50),
])  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a node id: "):
        decode_node_id(text)


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        encode_node_id(bytes(31))
    assert decode_key("mycsecret", encode_key("mycsecret", bytes(32))) == bytes(32)
