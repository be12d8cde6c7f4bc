"""Family ``nodeid``: node ids as people write them."""

from __future__ import annotations

from mycellm_proto.nodeid import decode_node_id, encode_bech32m, encode_key, encode_node_id

from .constants import ALICE, BOB
from .family import HEX, TEXT, DisagreementError, Family, Json, accept, case, record

_TEXT = encode_node_id(ALICE.public)
_SPOILT = "q" if _TEXT[20] != "q" else "p"
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32, _BECH32M = 1, 0x2BC830A3
"""What the checksums of BIP-173 and BIP-350 leave; it is all that the two differ in."""


def _in_bech32(text: str) -> str:
    """``text`` with the checksum of BIP-173."""
    difference = _BECH32 ^ _BECH32M
    turned = (_CHARSET.index(c) ^ difference >> 5 * (5 - i) & 31 for i, c in enumerate(text[-6:]))
    return text[:-6] + "".join(_CHARSET[value] for value in turned)


def _groups(key: bytes, last_bits: int = 0) -> list[int]:
    number = int.from_bytes(key, "big") << 4 | last_bits
    return [number >> 5 * place & 31 for place in reversed(range(52))]


_REJECTED: tuple[tuple[str, str], ...] = (
    ("reject-empty", ""),
    ("reject-upper-case", _TEXT.upper()),
    ("reject-mixed-case", _TEXT[:-1] + _TEXT[-1].upper() if _TEXT[-1].isalpha() else _TEXT[:-2] + _TEXT[-2:].upper()),
    ("reject-one-character-changed", _TEXT[:20] + _SPOILT + _TEXT[21:]),
    ("reject-two-characters-swapped", _TEXT[:10] + _TEXT[11] + _TEXT[10] + _TEXT[12:]),
    ("reject-last-character-missing", _TEXT[:-1]),
    ("reject-character-inserted", _TEXT[:-1] + "q" + _TEXT[-1]),
    ("reject-bech32-checksum", _in_bech32(_TEXT)),
    ("reject-other-prefix", encode_key("bc", ALICE.public)),
    ("reject-longer-prefix", encode_key("mycx", ALICE.public)),
    ("reject-without-prefix", _TEXT.partition("1")[2]),
    ("reject-character-outside-the-alphabet", _TEXT[:-1] + "b"),
    ("reject-space-before", " " + _TEXT),
    ("reject-newline-after", _TEXT + "\n"),
    ("reject-not-ascii", _TEXT[:-1] + "\u00e9"),
    ("reject-31-bytes", encode_bech32m("myc", _groups(ALICE.public)[:50])),
    ("reject-33-bytes", encode_bech32m("myc", [*_groups(ALICE.public), 0, 0])),
    ("reject-padding-not-zero", encode_bech32m("myc", _groups(ALICE.public, 1))),
    ("reject-extra-group", encode_bech32m("myc", [*_groups(ALICE.public), 0])),
    ("reject-91-characters", encode_bech32m("myc", [0] * 81)),
    ("reject-hex", ALICE.public.hex()),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for name, public in (("alice", ALICE.public), ("bob", BOB.public), ("zero", bytes(32)), ("ones", b"\xff" * 32)):
        text = encode_node_id(public)
        if decode_node_id(text) != public:
            raise DisagreementError(name)
        made.append(case(f"accept-{name}", "KEY-006~1", text=text, expect=accept(public=public.hex())))
        made.append(case(f"write-{name}", "KEY-005~1", public=public.hex(), expect=accept(text=text)))
    for slug, text in _REJECTED:
        try:
            decode_node_id(text)
        except ValueError:
            made.append(case(slug, "KEY-006~1", text=text, expect={"verdict": "reject"}))
        else:
            raise DisagreementError(slug)
    return made


FAMILY = Family(
    name="nodeid",
    description="Written node ids: bech32m (BIP-350) of 32 bytes under the prefix myc, in lower case.",
    notes=(
        "Cases with a text: accepted, it is read as public; rejected, it is no node id. Among the latter are valid"
        " bech32m strings of another length, prefix, case or padding, and a valid bech32 string (BIP-173).",
        "Cases with a public: it is written as text.",
    ),
    verification=(
        "Read text, or write public.",
        "Whether public is a point of the curve does not count.",
    ),
    schema={
        "text": TEXT,
        "public": HEX,
        "expect": {
            "anyOf": [
                record(verdict={"const": "accept"}, public=HEX),
                record(verdict={"const": "accept"}, text=TEXT),
                record(verdict={"const": "reject"}),
            ]
        },
    },
    optional=frozenset({"text", "public"}),
    cases=_cases,
)
