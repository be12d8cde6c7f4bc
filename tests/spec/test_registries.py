"""Registries and code say the same: nothing in one that the other lacks."""

from __future__ import annotations

import re
from enum import IntEnum, IntFlag
from typing import Any

import pytest

from mycellm_proto import (
    codec,
    economy,
    frames,
    grease,
    hello,
    limits,
    membership,
    networks,
    receipt,
    records,
    settlement,
)
from mycellm_proto.answer import Part
from mycellm_proto.calls import Procedure
from mycellm_proto.content import FinishReason, Operation, ReasoningEffort, Role, ToolMode
from mycellm_proto.errors import ErrorCode
from mycellm_proto.signed import Context
from spec.tools.cddl import rules
from spec.tools.fill import without_generated
from spec.tools.registries import REGISTRIES, load, table
from spec.tools.update import SPEC

ENUMS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "errors": ErrorCode,
    "frames": frames.FrameType,
    "roles": Role,
    "finish-reasons": FinishReason,
    "operations": Operation,
    "capabilities": hello.Capability,
    "connection-roles": hello.ConnectionRole,
    "assurance": economy.Assurance,
    "tool-modes": ToolMode,
    "reasoning-efforts": ReasoningEffort,
    "parts": Part,
    "procedures": Procedure,
    "outcomes": settlement.Outcome,
    "network-kinds": networks.NetworkKind,
    "admissions": networks.Admission,
    "data-handling": networks.DataHandling,
    "credit-policies": networks.CreditPolicy,
    "member-roles": membership.MemberRole,
    "node-rights": membership.NodeRight,
}
LEVELS = {range(16): {"connection", "request"}, range(16, 48): {"connection"}, range(48, 64): {"request"}}


@pytest.mark.parametrize("name", ENUMS)
def test_values_and_names(name: str) -> None:
    entries = load(name)["entry"]
    assert [(entry["value"], entry["name"]) for entry in entries] == [(int(e), e.name) for e in ENUMS[name]]


def test_contexts() -> None:
    assert {(each["name"], each["value"]) for each in load("contexts")["entry"]} == {(c.name, c.value) for c in Context}


def test_encoding_reasons() -> None:
    stated = {(each["name"], each["requirement"]) for each in load("encoding-reasons")["entry"]}
    assert stated == {(reason.slug, reason.requirement) for reason in codec.Reason}


def test_frames_have_their_limits_and_rules() -> None:
    entries = load("frames")["entry"]
    assert {entry["value"]: entry["limit"] for entry in entries} == frames.LIMITS
    assert {entry["rule"] for entry in entries} <= rules().keys()
    assert {entry["sender"] for entry in entries} <= {"both", "consumer", "provider", "caller", "callee"}
    assert {entry["stream"] for entry in entries} == {"control", "request"}


def test_levels_of_errors() -> None:
    for entry in load("errors")["entry"]:
        allowed = next((levels for values, levels in LEVELS.items() if entry["value"] in values), {"credit"})
        assert entry["level"] in allowed, entry["name"]


def test_limits() -> None:
    """Every number of limits.py, and those bounds that live beside what they bound."""
    entries = load("limits")["entry"]
    stated = {entry["name"]: entry["value"] for entry in entries}
    assert len(stated) == len(entries), "two limits have one name"
    code: dict[str, Any] = {name: value for name, value in vars(limits).items() if name.isupper()}
    code |= {"MAX_DEPTH": codec.MAX_DEPTH, "MAX_ITEMS": codec.MAX_ITEMS, "MAX_SEQUENCE": economy.MAX_SEQUENCE}
    code |= {"MAX_CAPABILITIES": hello.MAX_CAPABILITIES, "MAX_RECEIPT": receipt.MAX_RECEIPT}
    assert stated == code


def test_limits_that_the_prose_names_are_registered() -> None:
    stated = {entry["name"] for entry in load("limits")["entry"]}
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", without_generated(SPEC.read_text(encoding="utf-8"))))
    registered = {entry["name"] for path in REGISTRIES.glob("*.toml") for entry in load(path.stem).get("entry", ())}
    assert named <= registered, named - registered
    assert "MAX_REQUEST" in stated


def test_blocks_of_addresses() -> None:
    stated = [(entry["name"], entry["lan"]) for entry in load("address-blocks")["entry"]]
    assert stated == [(str(block), "yes" if lan else "no") for block, lan in records._BLOCKS]


def test_reserved_values() -> None:
    rule = load("grease")
    stated = tuple(rule["first"] + rule["step"] * number for number in range(rule["count"]))
    assert stated == grease.RESERVED


def test_every_registry_has_a_title_a_rule_and_a_table() -> None:
    for path in REGISTRIES.glob("*.toml"):
        registry = load(path.stem)
        assert registry["title"]
        assert registry["rule"]
        assert table(path).startswith("| ")
