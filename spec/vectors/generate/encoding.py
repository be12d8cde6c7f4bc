"""Family ``encoding``: what deterministic CBOR is and is not."""

from __future__ import annotations

from mycellm_proto.codec import EncodingError, Reason, Value, decode, encode
from mycellm_proto.errors import ErrorCode

from .family import HEX_PARTS, DisagreementError, Family, Json, accept, case, record, reject
from .notation import joined, noted, parts

# Every width of an argument: the last value of one, the first of the next.
_NUMBERS = (0, 1, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 53) - 1, 1 << 53, (1 << 64) - 1)

_VALUES: tuple[tuple[str, str, Value], ...] = (
    *((f"accept-uint-{number}", "ENC-005~1", number) for number in _NUMBERS),
    *((f"accept-negative-{number + 1}", "ENC-005~1", -1 - number) for number in _NUMBERS),
    ("accept-false", "ENC-005~1", False),
    ("accept-true", "ENC-005~1", True),
    ("accept-null", "ENC-005~1", None),
    ("accept-bytes-empty", "ENC-005~1", b""),
    ("accept-bytes-23", "ENC-005~1", bytes(range(23))),
    ("accept-bytes-24", "ENC-005~1", bytes(range(24))),
    ("accept-bytes-256", "ENC-005~1", bytes(range(256))),
    ("accept-text-empty", "ENC-005~1", ""),
    ("accept-text-ascii", "ENC-005~1", "mycellm"),
    ("accept-text-nul", "ENC-005~1", "\x00"),
    ("accept-text-two-bytes-least", "ENC-005~1", "\u0080"),
    ("accept-text-three-bytes-least", "ENC-005~1", "\u0800"),
    ("accept-text-before-surrogates", "ENC-005~1", "\ud7ff"),
    ("accept-text-after-surrogates", "ENC-005~1", "\ue000"),
    ("accept-text-byte-order-mark", "ENC-005~1", "\ufeff"),
    ("accept-text-noncharacter", "ENC-005~1", "\uffff"),
    ("accept-text-four-bytes-least", "ENC-005~1", "\U00010000"),
    ("accept-text-last-code-point", "ENC-005~1", "\U0010ffff"),
    ("accept-text-not-normalised", "ENC-005~1", "e\u0301"),
    ("accept-array-empty", "ENC-005~1", []),
    ("accept-array-24", "ENC-005~1", list(range(24))),
    ("accept-array-mixed", "ENC-005~1", [0, -1, b"\x00", "", [], {}, False, True, None]),
    ("accept-map-empty", "ENC-005~1", {}),
    ("accept-map-ascending", "ENC-005~1", {0: 0, 1: 1, 23: 23, 24: 24, 255: 255, 256: 256}),
    ("accept-map-longer-key-last", "ENC-005~1", {10: "a", 100: "b"}),
    ("accept-map-greatest-key", "ENC-005~1", {(1 << 64) - 1: None}),
    ("accept-map-in-map", "ENC-005~1", {0: {0: {0: 0}}}),
)

_REJECTED: tuple[tuple[str, Reason, str], ...] = (
    ("reject-nothing", Reason.TRUNCATED, ""),
    ("reject-uint8-cut", Reason.TRUNCATED, "18"),
    ("reject-uint16-cut", Reason.TRUNCATED, "1901"),
    ("reject-uint32-cut", Reason.TRUNCATED, "1a000100"),
    ("reject-uint64-cut", Reason.TRUNCATED, "1b00000001000000"),
    ("reject-bytes-cut", Reason.TRUNCATED, "4201"),
    ("reject-bytes-length-of-2-60", Reason.TRUNCATED, "5b0fffffffffffffff"),
    ("reject-text-cut", Reason.TRUNCATED, "6261"),
    ("reject-array-cut", Reason.TRUNCATED, "8201"),
    ("reject-array-of-65536-that-is-empty", Reason.TRUNCATED, "9a00010000"),
    ("reject-map-without-value", Reason.TRUNCATED, "a100"),
    ("reject-map-cut", Reason.TRUNCATED, "a20102"),
    ("reject-second-item", Reason.TRAILING_BYTES, "0100"),
    ("reject-byte-after-map", Reason.TRAILING_BYTES, "a1000000"),
    ("reject-break-after-item", Reason.TRAILING_BYTES, "01ff"),
    ("reject-uint-23-in-two-bytes", Reason.NOT_SHORTEST, "1817"),
    ("reject-uint-0-in-two-bytes", Reason.NOT_SHORTEST, "1800"),
    ("reject-uint-255-in-three-bytes", Reason.NOT_SHORTEST, "1900ff"),
    ("reject-uint-65535-in-five-bytes", Reason.NOT_SHORTEST, "1a0000ffff"),
    ("reject-uint-4294967295-in-nine-bytes", Reason.NOT_SHORTEST, "1b00000000ffffffff"),
    ("reject-negative-24-in-two-bytes", Reason.NOT_SHORTEST, "3817"),
    ("reject-bytes-length-in-two-bytes", Reason.NOT_SHORTEST, "5801ff"),
    ("reject-text-length-in-two-bytes", Reason.NOT_SHORTEST, "780161"),
    ("reject-text-length-in-three-bytes", Reason.NOT_SHORTEST, "79000161"),
    ("reject-array-length-in-two-bytes", Reason.NOT_SHORTEST, "980101"),
    ("reject-map-length-in-two-bytes", Reason.NOT_SHORTEST, "b8010000"),
    ("reject-key-in-two-bytes", Reason.NOT_SHORTEST, "a1180100"),
    ("reject-keys-descending", Reason.KEY_ORDER, "a203040102"),
    ("reject-key-twice", Reason.KEY_ORDER, "a201020103"),
    ("reject-key-zero-twice", Reason.KEY_ORDER, "a200000000"),
    ("reject-longer-key-first", Reason.KEY_ORDER, "a21864000a00"),
    ("reject-nested-keys-descending", Reason.KEY_ORDER, "81a201000000"),
    ("reject-key-negative", Reason.KEY_TYPE, "a12000"),
    ("reject-key-text", Reason.KEY_TYPE, "a1616100"),
    ("reject-key-bytes", Reason.KEY_TYPE, "a1410000"),
    ("reject-key-array", Reason.KEY_TYPE, "a1810101"),
    ("reject-key-map", Reason.KEY_TYPE, "a1a001"),
    ("reject-key-true", Reason.KEY_TYPE, "a1f500"),
    ("reject-key-null", Reason.KEY_TYPE, "a1f600"),
    ("reject-key-float", Reason.KEY_TYPE, "a1f93c0000"),
    ("reject-key-tagged", Reason.KEY_TYPE, "a1c00000"),
    ("reject-key-bignum", Reason.KEY_TYPE, "a1c2410100"),
    ("reject-key-after-a-good-one", Reason.KEY_TYPE, "a20000616100"),
    ("reject-float16", Reason.FORBIDDEN_TYPE, "f93e00"),
    ("reject-float16-nan", Reason.FORBIDDEN_TYPE, "f97e00"),
    ("reject-float16-nan-with-payload", Reason.FORBIDDEN_TYPE, "f97e01"),
    ("reject-float16-infinity", Reason.FORBIDDEN_TYPE, "f97c00"),
    ("reject-float16-minus-zero", Reason.FORBIDDEN_TYPE, "f98000"),
    ("reject-float32", Reason.FORBIDDEN_TYPE, "fa47c35000"),
    ("reject-float64", Reason.FORBIDDEN_TYPE, "fb3ff8000000000000"),
    ("reject-float64-nan", Reason.FORBIDDEN_TYPE, "fb7ff8000000000001"),
    ("reject-undefined", Reason.FORBIDDEN_TYPE, "f7"),
    ("reject-simple-0", Reason.FORBIDDEN_TYPE, "e0"),
    ("reject-simple-19", Reason.FORBIDDEN_TYPE, "f3"),
    ("reject-simple-24", Reason.FORBIDDEN_TYPE, "f818"),
    ("reject-simple-255", Reason.FORBIDDEN_TYPE, "f8ff"),
    ("reject-true-in-two-bytes", Reason.FORBIDDEN_TYPE, "f815"),
    ("reject-simple-reserved-head", Reason.FORBIDDEN_TYPE, "fc"),
    ("reject-break-alone", Reason.FORBIDDEN_TYPE, "ff"),
    ("reject-break-in-array", Reason.FORBIDDEN_TYPE, "8201ff"),
    ("reject-tag-0-date", Reason.FORBIDDEN_TYPE, "c074323031332d30332d32315432303a30343a30305a"),
    ("reject-tag-1-time", Reason.FORBIDDEN_TYPE, "c11a514b67b0"),
    ("reject-tag-2-bignum", Reason.FORBIDDEN_TYPE, "c24101"),
    ("reject-tag-2-bignum-of-2-64", Reason.FORBIDDEN_TYPE, "c249010000000000000000"),
    ("reject-tag-3-negative-bignum", Reason.FORBIDDEN_TYPE, "c349010000000000000000"),
    ("reject-tag-24-embedded", Reason.FORBIDDEN_TYPE, "d8184100"),
    ("reject-tag-28-shared", Reason.FORBIDDEN_TYPE, "d81c81d81d00"),
    ("reject-tag-35-regular-expression", Reason.FORBIDDEN_TYPE, "d82363612862"),
    ("reject-tag-256-string-reference", Reason.FORBIDDEN_TYPE, "d90100826361616161"),
    ("reject-tag-9999", Reason.FORBIDDEN_TYPE, "d9270f01"),
    ("reject-tag-55799-self-described", Reason.FORBIDDEN_TYPE, "d9d9f700"),
    ("reject-indefinite-bytes", Reason.INDEFINITE, "5f41014102ff"),
    ("reject-indefinite-text", Reason.INDEFINITE, "7f61616162ff"),
    ("reject-indefinite-array", Reason.INDEFINITE, "9f0102ff"),
    ("reject-indefinite-array-empty", Reason.INDEFINITE, "9fff"),
    ("reject-indefinite-map", Reason.INDEFINITE, "bf0001ff"),
    ("reject-indefinite-map-in-array", Reason.INDEFINITE, "81bfff"),
    ("reject-uint-reserved-28", Reason.INDEFINITE, "1c"),
    ("reject-uint-reserved-29", Reason.INDEFINITE, "1d"),
    ("reject-negative-reserved-30", Reason.INDEFINITE, "3e"),
    ("reject-uint-31", Reason.INDEFINITE, "1f"),
    ("reject-key-reserved-28", Reason.INDEFINITE, "a11c00"),
    ("reject-utf8-continuation-alone", Reason.BAD_UTF8, "6180"),
    ("reject-utf8-continuation-missing", Reason.BAD_UTF8, "62c328"),
    ("reject-utf8-cut", Reason.BAD_UTF8, "61c3"),
    ("reject-utf8-cut-before-next-item", Reason.BAD_UTF8, "8261c361a9"),
    ("reject-utf8-overlong-two", Reason.BAD_UTF8, "62c080"),
    ("reject-utf8-overlong-three", Reason.BAD_UTF8, "63e09fbf"),
    ("reject-utf8-overlong-four", Reason.BAD_UTF8, "64f08fbfbf"),
    ("reject-utf8-surrogate-first", Reason.BAD_UTF8, "63eda080"),
    ("reject-utf8-surrogate-last", Reason.BAD_UTF8, "63edbfbf"),
    ("reject-utf8-surrogate-pair", Reason.BAD_UTF8, "66eda081edb080"),
    ("reject-utf8-above-10ffff", Reason.BAD_UTF8, "64f4908080"),
    ("reject-utf8-five-bytes", Reason.BAD_UTF8, "65f888808080"),
    ("reject-utf8-byte-fe", Reason.BAD_UTF8, "61fe"),
    ("reject-utf8-byte-ff", Reason.BAD_UTF8, "61ff"),
    ("reject-array-depth-17", Reason.TOO_DEEP, "81" * 16 + "80"),
    ("reject-map-depth-17", Reason.TOO_DEEP, "a100" * 16 + "a0"),
    ("reject-array-length-of-2-60", Reason.TOO_MANY_ITEMS, "9b0fffffffffffffff"),
    ("reject-map-length-of-2-60", Reason.TOO_MANY_ITEMS, "bb0fffffffffffffff"),
    ("reject-array-of-65537-in-its-head", Reason.TOO_MANY_ITEMS, "9a00010001"),
)

_LONG = (
    ("accept-array-depth-16", "ENC-005~1", parts(("81", 15), ("80", 1)), None),
    ("accept-map-depth-16", "ENC-005~1", parts(("a100", 15), ("a0", 1)), None),
    ("accept-65536-items", "ENC-005~1", parts(("9a00010000", 1), ("00", 65_536)), None),
    (
        "accept-65536-items-on-two-levels",
        "ENC-005~1",
        parts(("82", 1), ("997fff", 1), ("00", 32_767), ("997fff", 1), ("00", 32_767)),
        None,
    ),
    ("accept-text-of-65536-bytes", "ENC-005~1", parts(("7a00010000", 1), ("61", 65_536)), None),
    ("reject-array-depth-1000", "ENC-018~1", parts(("81", 1000), ("80", 1)), Reason.TOO_DEEP),
    ("reject-65537-items", "ENC-019~1", parts(("9a00010001", 1), ("00", 65_537)), Reason.TOO_MANY_ITEMS),
    (
        "reject-65537-items-on-two-levels",
        "ENC-019~1",
        parts(("83", 1), ("997fff", 1), ("00", 32_767), ("997fff", 1), ("00", 32_767), ("00", 1)),
        Reason.TOO_MANY_ITEMS,
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = [_accepted(slug, requirement, value) for slug, requirement, value in _VALUES]
    for slug, requirement, pieces, reason in _LONG:
        expect = _law(joined(pieces)) if reason is None else _refused(joined(pieces), reason)
        made.append(case(slug, requirement, hex=pieces, expect=expect))
    for slug, reason, data in _REJECTED:
        made.append(case(slug, f"{reason.requirement}~1", hex=data, expect=_refused(bytes.fromhex(data), reason)))
    return made


def _accepted(slug: str, requirement: str, value: Value) -> dict[str, Json]:
    data = encode(value)
    if decode(data) != value:
        raise DisagreementError(slug)
    return case(slug, requirement, hex=data.hex(), expect={**_law(data), "value": noted(value)})


def _law(data: bytes) -> dict[str, Json]:
    if encode(decode(data)) != data:
        raise DisagreementError(data[:40].hex())
    return accept()


def _refused(data: bytes, reason: Reason) -> Json:
    expect = reject(lambda: decode(data), ErrorCode.ENCODING, reason.requirement, reason=reason.slug)
    try:
        decode(data)
    except EncodingError as error:
        if error.reason is not reason:
            raise DisagreementError(f"{data[:40].hex()}: {error.reason.slug}") from error
    return expect


FAMILY = Family(
    name="encoding",
    description="Byte strings that are deterministic CBOR, with their values, and byte strings that are not.",
    notes=(
        "Accepted: decoding hex gives value, in the notation of README.md. It is not given where it is long.",
        "Rejected: decoding hex as one whole item fails. Each case has one fault; reason is its name in SPEC.md,"
        " Encoding, and on the wire every one of them is ENCODING.",
        "hex is a string, or a list of pieces that are repeated and joined: see README.md.",
    ),
    verification=(
        "Decode hex as one item that fills it.",
        "Encoding what was decoded gives hex again. That is for your own test: the family writing shows what you"
        " write.",
        "reason does not count, but a warning tells you where yours is another.",
    ),
    schema={
        "hex": HEX_PARTS,
        "expect": {
            "anyOf": [
                record(optional=("value",), verdict={"const": "accept"}, value={}),
                record(
                    verdict={"const": "reject"},
                    code={"const": "ENCODING"},
                    reason={"enum": [reason.slug for reason in Reason]},
                ),
            ]
        },
    },
    cases=_cases,
)
