"""The names of keys, and what lies inside byte strings: read from the CDDL rules of the specification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from conformance.data import specification

_ENTRY = re.compile(r"^\s+\??\s*(?P<key>\d+): (?P<type>[^;]+?),\s*; (?P<name>\w+)(?P<more>.*)$", re.MULTILINE)
_SIGNED = re.compile(r"signed-object<(?P<rule>[\w-]+)>")
_CONTENT = re.compile(r"the encoding of an? (?P<rule>[\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is known of a value before it is read."""

    name: str = ""
    rule: str = ""
    """The CDDL rule of the map that it is, or that its elements are."""
    inside: str = ""
    """signed: an array of a body and a signature; content: a byte string that holds an item. Of ``rule`` both."""


@cache
def keys(rule: str) -> Mapping[int, Shape]:
    """The entries of the map that ``rule`` describes; none for a rule that is no map or not there."""
    path = specification() / "cddl" / f"{rule}.cddl"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {int(each["key"]): _shape(each) for each in _ENTRY.finditer(text)}


def _shape(entry: re.Match[str]) -> Shape:
    signed, content = _SIGNED.search(entry["type"]), _CONTENT.search(entry["more"])
    if signed is not None:
        return Shape(name=entry["name"], rule=signed["rule"], inside="signed")
    if content is not None and entry["type"].startswith("bstr"):
        return Shape(name=entry["name"], rule=content["rule"], inside="content")
    rule = entry["type"].strip("[] ").split()[-1].rstrip("]")
    return Shape(name=entry["name"], rule=rule if keys(rule) else "")
