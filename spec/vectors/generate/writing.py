"""Family ``writing``: values to be encoded, and bodies to be framed; or refused where nobody may write them."""

from __future__ import annotations

from mycellm_proto.codec import MAX_DEPTH, MAX_ITEMS, Value, encode
from mycellm_proto.framing import MAX_VARINT, encode_frame

from .family import ANY, HEX, INTEGER, DisagreementError, Family, Json, accept, case, record
from .notation import noted

# The last number of each width and the first of the next, and what they are encoded as.
_NUMBERS: tuple[tuple[int, str], ...] = (
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (65_535, "19ffff"),
    (65_536, "1a00010000"),
    ((1 << 32) - 1, "1affffffff"),
    (1 << 32, "1b0000000100000000"),
    ((1 << 64) - 1, "1bffffffffffffffff"),
    (-1, "20"),
    (-24, "37"),
    (-25, "3818"),
    (-(1 << 64), "3bffffffffffffffff"),
)
_LENGTHS: tuple[tuple[str, Value, str], ...] = (
    ("bytes-of-23", bytes(23), "57" + "00" * 23),
    ("bytes-of-24", bytes(24), "5818" + "00" * 24),
    ("bytes-of-256", bytes(256), "590100" + "00" * 256),
    ("text-of-24", "a" * 24, "7818" + "61" * 24),
    ("text-by-its-bytes", "\u20ac" * 8, "7818" + "e282ac" * 8),
    ("array-of-23", [0] * 23, "97" + "00" * 23),
    ("array-of-24", [0] * 24, "9818" + "00" * 24),
    ("map-of-24", dict.fromkeys(range(24), 0), "b818" + "".join(f"{key:02x}00" for key in range(24))),
)
_TYPES: tuple[tuple[str, Value, str], ...] = (
    ("false", False, "f4"),
    ("true", True, "f5"),
    ("null", None, "f6"),
    ("text-not-normalised", "e\u0301", "6365cc81"),
    ("array-of-every-type", [0, -1, b"\x00", "a", [], {}, False, True, None], "8900204100616180a0f4f5f6"),
)
# The entries as they are given: not in the order in which they are written.
_MAPS: tuple[tuple[str, dict[int, Value], str], ...] = (
    ("keys-descending", {3: 0, 2: 0, 1: 0}, "a3010002000300"),
    ("longer-key-given-first", {100: "b", 10: "a"}, "a20a616118646162"),
    ("reserved-key-given-first", {65: True, 0: 10}, "a2000a1841f5"),
    (
        "keys-of-every-width",
        {1 << 32: 0, 65_536: 0, 256: 0, 24: 0, 0: 0},
        "a5000018180019010000" + "1a0001000000" + "1b000000010000000000",
    ),
)
_FRAMES: tuple[tuple[str, int, Value, str], ...] = (
    ("accept", 8, {0: 10}, "0308a1000a"),
    ("of-reserved-type", 65, None, "014041f6"),
    ("of-type-63", 63, None, "013ff6"),
    ("of-type-64", 64, None, "014040f6"),
    ("of-type-16384", 16_384, None, "0180004000f6"),
    ("of-type-1073741824", 1 << 30, None, "01c000000040000000f6"),
    ("of-the-greatest-type", MAX_VARINT, None, "01ffffffffffffffff" + "f6"),
    ("body-of-63-bytes", 10, bytes(61), "3f0a583d" + "00" * 61),
    ("body-of-64-bytes", 10, bytes(62), "40400a583e" + "00" * 62),
    ("body-of-16384-bytes", 6, bytes(16_381), "8000400006593ffd" + "00" * 16_381),
)


def _nested(depth: int) -> Value:
    """An array within an array, so many of them."""
    value: Value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _cases() -> list[dict[str, Json]]:
    made = [
        _case(f"write-{'minus-' if number < 0 else ''}{abs(number)}", "ENC-001~1", noted(number), number, data)
        for number, data in _NUMBERS
    ]
    made += [_case(f"write-{name}", "ENC-001~1", noted(value), value, data) for name, value, data in _LENGTHS]
    made += [_case(f"write-{name}", "ENC-003~1", noted(value), value, data) for name, value, data in _TYPES]
    made += [_case(f"write-map-{name}", "ENC-002~1", noted(value), value, data) for name, value, data in _MAPS]
    deepest = _nested(MAX_DEPTH)
    made.append(_case("write-the-greatest-depth", "ENC-004~1", noted(deepest), deepest, "81" * 15 + "80"))
    too_deep = _nested(MAX_DEPTH + 1)
    made.append(_refused("reject-depth-beyond-the-greatest", too_deep, noted(too_deep)))
    many: Json = {"element": 0, "times": MAX_ITEMS + 1}
    made.append(_refused("reject-items-beyond-the-most", [0] * (MAX_ITEMS + 1), many))
    for name, kind, value, data in _FRAMES:
        if encode_frame(kind, encode(value)).hex() != data:
            raise DisagreementError(name)
        expect = accept(hex=data)
        made.append(case(f"frame-{name}", "FRM-001~1 FRM-002~1", type=noted(kind), value=noted(value), expect=expect))
    return made


def _case(slug: str, requirement: str, shown: Json, value: Value, data: str) -> dict[str, Json]:
    if encode(value).hex() != data:
        raise DisagreementError(f"{slug}: {encode(value).hex()}")
    return case(slug, requirement, value=shown, expect=accept(hex=data))


def _refused(slug: str, value: Value, shown: Json) -> dict[str, Json]:
    try:
        encode(value)
    except ValueError:
        return case(slug, "ENC-004~1", value=shown, expect={"verdict": "reject"})
    raise DisagreementError(slug)


FAMILY = Family(
    name="writing",
    description="Values and the bytes that a writer makes of them: items, and frames around them.",
    notes=(
        "value is in the notation of README.md; the entries of a map come in any order.",
        "Cases without a type: hex is the encoding of value. Cases with a type: hex is the frame of that type whose"
        " body is the encoding of value. The limits of frame types do not apply.",
        "Rejected: no item may hold so much, and a writer that is asked for it writes nothing.",
    ),
    verification=(
        "Write value with what writes your own messages.",
        "A decoder of yours that refuses what you write does not make up for it.",
        "How a writer refuses does not count, nor does when: at the first level too many, or at the end.",
    ),
    schema={
        "type": INTEGER,
        "value": ANY,
        "expect": {
            "anyOf": [record(verdict={"const": "accept"}, hex=HEX), record(verdict={"const": "reject"})],
        },
    },
    optional=frozenset({"type"}),
    cases=_cases,
)
