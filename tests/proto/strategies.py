"""Hypothesis strategies. Those of shapes are made from the package's own tables, so that neither can drift."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from mycellm_proto import limits
from mycellm_proto.codec import Value
from mycellm_proto.fields import Kind, Shape

MAX_INTEGER = (1 << 64) - 1

KEYS = st.integers(0, 40) | st.integers(0, MAX_INTEGER)
SCALARS: st.SearchStrategy[Value] = (
    st.integers(-1 - MAX_INTEGER, MAX_INTEGER)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.booleans()
    | st.none()
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """``data`` with a byte changed, removed, doubled, or another inserted."""

    def apply(change: tuple[str, int, int]) -> bytes:
        kind, at, octet = change
        at %= max(1, len(data))
        replaced = {"change": bytes((octet,)), "remove": b"", "double": data[at : at + 1] * 2}
        if kind == "insert":
            return data[:at] + bytes((octet,)) + data[at:]
        return data[:at] + replaced[kind] + data[at + 1 :]

    kinds = st.sampled_from(("change", "remove", "double", "insert"))
    return st.tuples(kinds, st.integers(0, 1 << 16), st.integers(0, 255)).map(apply)


def sliced(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """``data`` in any slices, empty ones among them."""

    def cut(places: list[int]) -> list[bytes]:
        edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
        return [data[a:b] for a, b in pairwise(edges)]

    return st.lists(st.integers(0, 1 << 16), max_size=8).map(cut)


def _family(kind: Kind) -> tuple[str, dict[str, Any]]:
    """Which function of fields.py made ``kind``, and with what: the bounds are read off, not repeated."""
    closure = inspect.getclosurevars(kind.read).nonlocals
    return kind.read.__qualname__.partition(".<")[0], dict(closure)


def _texts(most: int, least: int) -> st.SearchStrategy[str]:
    short = st.text(min_size=least, max_size=min(most, 30)).filter(lambda text: least <= len(text.encode()) <= most)
    return short | st.sampled_from(["x" * most, "x" * max(least, 1)])


def wire(kind: Kind) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one return a family
    """What a field of ``kind`` may hold on the wire."""
    name, made = _family(kind)
    match name:
        case "integer":
            least, most = made["least"], made["most"]
            return st.integers(least, most) | st.sampled_from([least, most])
        case "octets":
            return st.binary(min_size=made["size"], max_size=made["size"])
        case "blob":
            return st.binary(min_size=made["least"], max_size=min(made["most"], 200))
        case "text":
            return _texts(made["most"], made["least"])
        case "boolean":
            return st.booleans()
        case "registered":
            return st.sampled_from([int(each) for each in made["registry"]])
        case "nullable":
            return st.none() | wire(made["kind"])
        case "array":
            return st.lists(wire(made["kind"]), min_size=made["least"], max_size=min(made["most"], 3))
        case "nested":
            return maps(made["shape"])
        case "either":
            return wire(made["of_text"]) | wire(made["otherwise"])
        case "_token_ids":
            return st.binary(min_size=4, max_size=40).map(lambda ids: ids[: len(ids) // 4 * 4])
        case "_bias":
            return st.tuples(wire(made["token"]), wire(made["bias"])).map(list)
        case "_part":
            return st.integers(1, 5)
        case "logprob_of":
            candidates = st.tuples(st.binary(max_size=20), st.integers(0, limits.MAX_LOGPROB)).map(list)
            return st.tuples(candidates, st.lists(candidates, max_size=3)).map(lambda made: [*made[0], made[1]])
        case "Signed.from_value":
            return st.tuples(st.binary(max_size=300), st.binary(min_size=64, max_size=64)).map(list)
    raise NotImplementedError(name)


def maps(shape: Shape) -> st.SearchStrategy[dict[int, Any]]:
    """Maps that ``shape`` allows, optional keys there or not."""
    needed = {field.key: wire(field.kind) for field in shape.fields if not field.optional}
    optional = {field.key: wire(field.kind) for field in shape.fields if field.optional}
    return st.fixed_dictionaries(needed, optional=optional)


def least(shape: Shape) -> dict[int, Any]:
    """The smallest map of ``shape``."""
    return {field.key: edges(field.kind)[0][0] for field in shape.fields if not field.optional}


def edges(kind: Kind) -> tuple[list[Any], list[Any]]:
    """The extremes that a field of ``kind`` may hold, and what lies just beyond them or is of another type."""
    name, made = _family(kind)
    wrong_types: list[Any] = [b"", [], {}, 1 << 63, True, "\N{SNOWMAN}", None]
    good, bad = _edges(name, made)
    drop: dict[str, Callable[[Any], bool]] = {
        "boolean": lambda value: isinstance(value, bool),
        "nested": lambda value: value == {} == least(made["shape"]),
        "either": lambda value: isinstance(value, str | bytes) or value == 0,
        "_token_ids": lambda value: isinstance(value, bytes),
        "blob": lambda value: isinstance(value, bytes),
        "text": lambda value: isinstance(value, str),
        "nullable": lambda value: value is None,
        "array": lambda value: isinstance(value, list),
    }
    kept = [value for value in wrong_types if not drop.get(name, lambda _: False)(value)]
    if name == "integer":
        kept = [value for value in kept if type(value) is not int or value > made["most"]]
    return good, [*bad, *kept]


def _edges(name: str, made: dict[str, Any]) -> tuple[list[Any], list[Any]]:  # noqa: PLR0911 - one return a family
    match name:
        case "integer":
            return [made["least"], made["most"]], [made["least"] - 1, made["most"] + 1]
        case "octets":
            return [bytes(made["size"])], [bytes(made["size"] - 1), bytes(made["size"] + 1)]
        case "blob":
            short = [bytes(made["least"] - 1)] if made["least"] else []
            return [bytes(made["least"]), bytes(made["most"])], [*short, bytes(made["most"] + 1)]
        case "text":
            short = ["x" * (made["least"] - 1)] if made["least"] else []
            return ["x" * made["least"], "x" * made["most"]], [*short, "x" * (made["most"] + 1), "\xe9" * made["most"]]
        case "boolean":
            return [False, True], []
        case "registered":
            known = [int(each) for each in made["registry"]]
            return known, [-1, max(known) + 1]
        case "nullable":
            good, bad = edges(made["kind"])
            return [None, *good], [value for value in bad if value is not None]
        case "array":
            good, bad = edges(made["kind"])
            few = [[good[0]] * (made["least"] - 1)] if made["least"] else []
            most = [good[0]] * made["most"]
            return [[good[0]] * made["least"], most], [*few, [*most, good[0]], *([value] for value in bad)]
        case "nested":
            shape: Shape = made["shape"]
            whole = least(shape)
            return [whole], [{key: value for key, value in whole.items() if key != gone} for gone in whole]
        case "either":
            texts, others = edges(made["of_text"]), edges(made["otherwise"])
            of_text = [value for value in texts[1] if isinstance(value, str)]
            return texts[0] + others[0], of_text + [value for value in others[1] if not isinstance(value, str)]
        case "_token_ids":
            return [bytes(4), b"\xff" * 40], [b"", bytes(3), bytes(5)]
        case "_bias":
            (least_id, most_id), beyond = edges(made["token"])
            (least_bias, most_bias), outside = edges(made["bias"])
            wrong = [[each, 0] for each in beyond] + [[0, each] for each in outside]
            return [[least_id, least_bias], [most_id, most_bias]], [*wrong, [], [0], [0, 0, 0]]
        case "_part":
            return [1, 5], [0, 6]  # an absent key says 0
        case "logprob_of":
            token, most = [b"", 0], [b"x" * limits.MAX_TOKEN_BYTES, limits.MAX_LOGPROB]
            beyond = [[b"", limits.MAX_LOGPROB + 1], [b"x" * (limits.MAX_TOKEN_BYTES + 1), 0], ["", 0], [b"", -1]]
            wrong = [[*each, []] for each in beyond] + [[*token, [each]] for each in beyond]
            crowd = [token] * (limits.MAX_TOP_LOGPROBS + 1)
            return [[*token, []], [*token, [most]]], [*wrong, [], token, [*token, crowd], [*token, [token[:1]]]]
        case "Signed.from_value":
            return [[b"", bytes(64)]], [[b""], [b"", bytes(63)], [b"", bytes(65)], [bytes(64)] * 3, ["", bytes(64)]]
    raise NotImplementedError(name)
