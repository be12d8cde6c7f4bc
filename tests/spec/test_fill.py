"""Markers of SPEC.md: filled anew each time, and refused where they name nothing."""

from __future__ import annotations

import re

import pytest

from mycellm_proto.states import TABLE, Role
from spec.tools import states
from spec.tools.annotate import annotated
from spec.tools.fill import MarkerError, fill, vector, without_generated

TEXT = "# A\n\n<!-- include: spec/cddl/key.cddl -->\nold\n<!-- /include -->\n\nafter\n"


def test_a_part_is_replaced_and_the_rest_is_left_alone() -> None:
    filled = fill(TEXT)
    assert "key = bstr .size 32" in filled
    assert "old" not in filled
    assert filled.startswith("# A\n")
    assert filled.endswith("\nafter\n")
    assert fill(filled) == filled
    assert without_generated(filled) == without_generated(TEXT)


@pytest.mark.parametrize(
    "marker",
    [
        "include: spec/cddl/nothing.cddl",
        "registry: spec/registries/nothing.toml",
        "states: nothing",
        "vector: encoding/nothing",
        "vector: nothing/nothing",
    ],
)
def test_a_marker_that_names_nothing_is_refused(marker: str) -> None:
    with pytest.raises(MarkerError, match="names nothing"):
        fill(f"<!-- {marker} -->\n<!-- /{marker.partition(':')[0]} -->\n")


def test_a_marker_that_is_never_closed_is_refused() -> None:
    with pytest.raises(MarkerError, match="never closed"):
        fill("<!-- registry: spec/registries/roles.toml -->\n")


def test_state_tables_show_every_row() -> None:
    shown = "\n".join(states.shown(machine) for machine in states.MACHINES)
    assert {role for roles in states.MACHINES.values() for role in roles} == set(Role)
    for (_, state), rows in TABLE.items():
        assert state.name in shown
        for _, frame in rows:
            assert frame.name in shown
    tables = [line for line in shown.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(tables) == len(TABLE) + len(Role)


def test_the_annotated_exchange_has_every_byte_in_order() -> None:
    case = vector("exchange/complete")
    written = "".join(step["hex"] for step in case["steps"])
    blocks = annotated(case).split("```")[1::2]
    shown = "".join(line.partition("#")[0] for block in blocks for line in block.splitlines())
    assert re.sub(r"\s", "", shown) == written
