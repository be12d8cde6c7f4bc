"""CDDL as a judge and as a source of instances, over cddlparser's syntax tree: as much of RFC 8610 as the rules use.

pycddl judges the same rules, but reads ``.cbor`` in arrays wrongly and lets an optional key pass with any value where
a wildcard follows it. Keys match their own entry first here, as the cut of RFC 8610 section 3.5.4 says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import cbor2
import cddlparser
from cddlparser import ast
from hypothesis import strategies as st

from spec.tools.cddl import rules

Env = dict[str, Any]

PRELUDE: dict[str, tuple[Any, Any]] = {
    "any": (lambda _: True, st.none() | st.integers(0, 5) | st.text(max_size=3) | st.lists(st.booleans(), max_size=2)),
    "bool": (lambda value: type(value) is bool, st.booleans()),
    "null": (lambda value: value is None, st.none()),
    "uint": (
        lambda value: type(value) is int and 0 <= value < 1 << 64,
        st.one_of(st.integers(0, 30), st.integers(0, (1 << 64) - 1)),
    ),
    "bstr": (lambda value: type(value) is bytes, st.binary(max_size=40)),
    "tstr": (lambda value: type(value) is str, st.text(max_size=20)),
}
MOST_ELEMENTS = 3
"""Elements of generated arrays, where the rule allows more: instances stay small."""


class Grammar:
    """All rules of spec/cddl. Without ``bodies``, what ``.cbor`` says of the inside of byte strings is not judged."""

    def __init__(self, *, bodies: bool = True) -> None:
        self._bodies = bodies
        tree = cddlparser.parse("\n".join(rules().values()))
        self._rules = {rule.name.name: rule for rule in tree.rules}

    def holds(self, rule: str, value: Any) -> bool:
        """Whether ``value`` is an instance of ``rule``."""
        return self._holds(self._rules[rule].type, value, {})

    def instances(self, rule: str) -> st.SearchStrategy[Any]:
        """Instances of ``rule``."""
        return self._draw(self._rules[rule].type, {})

    def _enter(self, name: ast.Typename, env: Env) -> tuple[Any, Env]:
        """The type that a name stands for, and what its parameters are."""
        if name.name in env:
            entered: tuple[Any, Env] = env[name.name]
            return entered
        rule = self._rules[name.name]
        parameters = rule.name.parameters.parameters if rule.name.parameters else []
        arguments = name.parameters.parameters if name.parameters else []
        pairs: Any = zip(parameters, arguments, strict=True)
        return rule.type, {parameter.name: (argument, env) for parameter, argument in pairs}

    def _holds(self, node: Any, value: Any, env: Env) -> bool:
        judges: dict[type, Callable[[], bool]] = {
            ast.Type: lambda: any(self._holds(each, value, env) for each in node.types),
            ast.Typename: lambda: self._named_holds(node, value, env),
            ast.Value: lambda: type(value) is int and value == int(node.value),
            ast.Range: lambda: type(value) is int and _bound(node.min) <= value <= _bound(node.max),
            ast.Operator: lambda: self._controlled(node, value, env),
            ast.Map: lambda: type(value) is dict and self._map_holds(node, value, env),
            ast.Array: lambda: type(value) is list and self._array_holds(node, value, env),
        }
        return judges[type(node)]()

    def _named_holds(self, node: ast.Typename, value: Any, env: Env) -> bool:
        if node.name in PRELUDE and node.name not in env:
            return bool(PRELUDE[node.name][0](value))
        inner, scope = self._enter(node, env)
        return self._holds(inner, value, scope)

    def _controlled(self, node: ast.Operator, value: Any, env: Env) -> bool:
        if not self._holds(node.type, value, env):
            return False
        if node.name.literal == "cbor":
            if not self._bodies:
                return True
            try:
                inner = cbor2.loads(value)
            except (cbor2.CBORDecodeError, ValueError):
                return False
            return self._holds(node.controller, inner, env)
        least, most = _sizes(node)
        return least <= len(value.encode() if isinstance(value, str) else value) <= most

    def _map_holds(self, node: ast.Map, value: dict[Any, Any], env: Env) -> bool:
        entries = list(_entries(node))
        named = {int(entry.key.type.value): entry for entry in entries if isinstance(entry.key.type, ast.Value)}
        wild = [entry for entry in entries if not isinstance(entry.key.type, ast.Value)]
        for key, content in value.items():
            entry = named.get(key)
            found = [entry] if entry else [each for each in wild if self._holds(each.key.type, key, env)]
            if not found or not self._holds(found[0].type, content, env):
                return False
        return all(key in value for key, entry in named.items() if _times(entry)[0])

    def _array_holds(self, node: ast.Array, value: list[Any], env: Env) -> bool:
        position = 0
        for entry in _entries(node):
            least, most = _times(entry)
            taken = 0
            while taken < most and position < len(value) and self._holds(entry.type, value[position], env):
                position, taken = position + 1, taken + 1
            if taken < least:
                return False
        return position == len(value)

    def _draw(self, node: Any, env: Env) -> st.SearchStrategy[Any]:
        sources: dict[type, Callable[[], st.SearchStrategy[Any]]] = {
            ast.Type: lambda: st.one_of([self._draw(each, env) for each in node.types]),
            ast.Typename: lambda: self._draw_named(node, env),
            ast.Value: lambda: st.just(int(node.value)),
            ast.Range: lambda: st.integers(_bound(node.min), _bound(node.max)),
            ast.Operator: lambda: self._draw_controlled(node, env),
            ast.Map: lambda: self._draw_map(node, env),
            ast.Array: lambda: self._draw_array(node, env),
        }
        return sources[type(node)]()

    def _draw_named(self, node: ast.Typename, env: Env) -> st.SearchStrategy[Any]:
        if node.name in PRELUDE and node.name not in env:
            strategy: st.SearchStrategy[Any] = PRELUDE[node.name][1]
            return strategy
        inner, scope = self._enter(node, env)
        return st.deferred(lambda: self._draw(inner, scope))

    def _draw_array(self, node: ast.Array, env: Env) -> st.SearchStrategy[Any]:
        parts = [self._draw_repeated(entry, env) for entry in _entries(node)]
        return st.tuples(*parts).map(lambda lists: [each for part in lists for each in part])

    def _draw_controlled(self, node: ast.Operator, env: Env) -> st.SearchStrategy[Any]:
        if node.name.literal == "cbor":
            return self._draw(node.controller, env).map(lambda value: cbor2.dumps(value, canonical=True))
        least, most = _sizes(node)
        if isinstance(node.type, ast.Typename) and node.type.name == "bstr":
            return st.binary(min_size=least, max_size=max(least, min(most, 40)))
        return st.text(min_size=least, max_size=max(least, min(most, 12))).filter(lambda text: _fits(text, most))

    def _draw_map(self, node: ast.Map, env: Env) -> st.SearchStrategy[Any]:
        needed: dict[int, st.SearchStrategy[Any]] = {}
        optional: dict[int, st.SearchStrategy[Any]] = {}
        wild = False
        for entry in _entries(node):
            if isinstance(entry.key.type, ast.Value):
                where = needed if _times(entry)[0] else optional
                where[int(entry.key.type.value)] = self._draw(entry.type, env)
            else:
                wild = True
        known = st.fixed_dictionaries(needed, optional=optional)
        if not wild:
            return known
        # CDDL cannot say odd: what a reader ignores
        keys = st.integers(15, 40).map(lambda number: 2 * number + 1)
        unknown = st.dictionaries(keys, PRELUDE["any"][1], max_size=2)
        return st.tuples(known, unknown).map(lambda both: {**both[1], **both[0]})

    def _draw_repeated(self, entry: ast.GroupEntry, env: Env) -> st.SearchStrategy[Any]:
        least, most = _times(entry)
        return st.lists(self._draw(entry.type, env), min_size=least, max_size=max(least, min(most, MOST_ELEMENTS)))


def _fits(text: str, most: int) -> bool:
    return len(text.encode()) <= most


def _entries(node: ast.Map | ast.Array) -> Iterator[Any]:
    (choice,) = node.groupChoices
    yield from choice.groupEntries


def _times(entry: ast.GroupEntry) -> tuple[int, int]:
    if entry.occurrence is None:
        return 1, 1
    least, most = entry.occurrence.n, entry.occurrence.m
    return int(least), 1 << 62 if most == math.inf else int(most)


def _bound(node: Any) -> int:
    return int(node.value)


def _sizes(node: ast.Operator) -> tuple[int, int]:
    if node.name.literal != "size":
        raise NotImplementedError(node.name.literal)
    bounds: Any = node.controller
    while isinstance(bounds, ast.Type):
        (bounds,) = bounds.types
    if isinstance(bounds, ast.Range):
        return _bound(bounds.min), _bound(bounds.max)
    return _bound(bounds), _bound(bounds)
