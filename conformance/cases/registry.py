"""All cases by their ids."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from conformance.case import Case, Script

FAMILIES = (
    "honesty", "transport", "handshake", "encoding", "framing", "limits", "control", "extension", "errors",
    "inference", "flow", "cancellation", "quotes", "opens", "sequences", "payment", "receipts", "initiator",
    "consumer", "ledger", "calls", "networks", "membership", "settlement",
    "discovery",
)  # fmt: skip
"""Modules of this package, in the order in which they are shown; each has its cases in ``FAMILY``."""


class Family:
    """Collects the cases of one family; a module of this package has one as ``FAMILY``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: list[Case] = []

    def case(self, slug: str, **fields: Any) -> Callable[[Script], Script]:
        """Make a case of a script, whose docstring is the page. ``fields`` are those of `Case`."""

        def register(script: Script) -> Script:
            self.add(slug, script=script, page=inspect.getdoc(script) or "", **fields)
            return script

        return register

    def add(self, slug: str, **fields: Any) -> None:
        """Add a case whose id is the family's name, a slash and ``slug``; its twin may be named by slug alone."""
        twin = fields.pop("twin", None)
        if twin is not None and "/" not in twin:
            twin = f"{self.name}/{twin}"
        self.cases.append(Case(id=f"{self.name}/{slug}", twin=twin, **fields))


@cache
def cases() -> Mapping[str, Case]:
    """Every case, in the order in which families are shown. Raises `ValueError` for an id that comes twice."""
    found: dict[str, Case] = {}
    for name in FAMILIES:
        family: Family = import_module(f"{__package__}.{name}").FAMILY
        for case in family.cases:
            if case.id in found:
                raise ValueError(f"two cases are named {case.id}")
            found[case.id] = case
    return found
