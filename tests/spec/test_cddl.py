"""The CDDL rules, the shapes of mycellm_proto and the vectors agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from mycellm_proto import (
    content_codec,
    economy,
    hello,
    invite,
    membership,
    network_calls,
    networks,
    records,
    roll,
    settlement,
)
from mycellm_proto.fields import Shape
from mycellm_proto.frames import FrameType
from mycellm_proto.framing import FrameReader, RawFrame
from spec.tools.cddl import field_names, grammar, rules
from spec.vectors.generate.files import VECTORS

from .grammar import Grammar

GRAMMAR = Grammar()
SHALLOW = Grammar(bodies=False)
"""Takes any byte string as the body of a signed object."""
SHAPES = (
    content_codec.CHAT_REQUEST,
    content_codec.COMPLETION_REQUEST,
    content_codec.EMBEDDING_REQUEST,
    content_codec._MESSAGE,
    content_codec._TOOL,
    content_codec._CALL,
    content_codec._FORMAT,
    economy.QUOTE,
    economy.OPEN,
    economy.CLOSE,
    hello.RESPONDER_HELLO,
    hello.INITIATOR_HELLO,
    networks.DESCRIPTOR,
    membership.NODE_CERTIFICATE,
    membership.MEMBERSHIP,
    membership.ACCOUNT_EPOCH,
    roll.ROLL,
    invite.INVITE,
    *network_calls.SHAPES.values(),
    *(kind.shape for kind in (*settlement.ITEMS, *records.ITEMS)),
    records.RECORD,
)


CONTENTS = {1: "chat-request", 2: "completion-request", 3: "embedding-request"}


def vectors(family: str) -> list[dict[str, Any]]:
    text = (VECTORS / "v1" / f"{family}.json").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = json.loads(text)["cases"]
    return cases


def exchanged() -> Iterator[tuple[str, RawFrame]]:
    """Every whole registered frame of the recorded exchanges."""
    for case in vectors("exchange"):
        buffers: dict[tuple[str, int], FrameReader] = {}
        for step in case["steps"]:
            if "hex" in step:
                reader = buffers.setdefault((step["from"], step["stream"]), FrameReader({}, 1 << 20))
                for raw in reader.feed(bytes.fromhex(step["hex"])):
                    if raw.type in frozenset(FrameType) and raw.body != b"\xff":
                        yield f"{case['id']}: {step['from']}", raw


def rule_of(raw: RawFrame) -> str:
    return FrameType(raw.type).name.lower()


def test_every_rule_is_alone_in_its_file_and_used() -> None:
    reached = "".join(map(grammar, ("frame", "receipt", *CONTENTS.values(), "answer")))
    reached += "".join(grammar(shape.name) for shape in network_calls.SHAPES.values())
    reached += "".join(grammar(kind.shape.name) for kind in (*settlement.ITEMS, *records.ITEMS))
    for name, text in rules().items():
        assert text in reached, name
        assert text.startswith("; "), name


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_keys_have_the_names_and_optionality_of_the_shape(shape: Shape) -> None:
    assert field_names(shape.name) == {field.key: field.name for field in shape.fields}
    optional = {int(line.split(":")[0].split("?")[1]) for line in rules()[shape.name].splitlines() if "  ? " in line}
    assert optional == {field.key for field in shape.fields if field.optional}
    assert shape.signed is ("unknown-key" not in rules()[shape.name])


def test_frames_of_exchanges_are_what_their_rules_say() -> None:
    seen = set()
    for where, raw in exchanged():
        assert GRAMMAR.holds(rule_of(raw), cbor2.loads(raw.body)), where
        seen.add(raw.type)
    assert seen == set(FrameType) - {FrameType.CREDIT, FrameType.CALL, FrameType.RESULT}


def test_pycddl_agrees_on_the_frames_of_exchanges() -> None:
    pycddl = pytest.importorskip("pycddl")
    schemas = {kind: pycddl.Schema(grammar(kind.name.lower(), plain=True)) for kind in FrameType}
    for _, raw in exchanged():
        schemas[FrameType(raw.type)].validate_cbor(raw.body)


def test_frames_of_the_vectors_are_judged_as_the_vectors_say() -> None:
    for case in vectors("frames"):
        try:
            value = cbor2.loads(bytes.fromhex(case["hex"]))
        except cbor2.CBORDecodeError:
            continue
        if cbor2.dumps(value, canonical=True).hex() != case["hex"] or case["requirements"] == ["EXT-001~1"]:
            continue  # not for CDDL to say
        holds = SHALLOW.holds(case["type"].lower(), value)
        assert holds is (case["expect"]["verdict"] == "accept"), case["id"]


@pytest.mark.parametrize(("family", "rule"), [("quote", "quote-body"), ("open", "open-body"), ("close", "close-body")])
def test_signed_bodies_of_the_vectors(family: str, rule: str) -> None:
    """A body that breaks its shape is no instance; every other one is, whatever else is wrong with it."""
    for case in vectors(family):
        body = bytes.fromhex(case["body"])
        shapeless = {"RCP-001~1", "RCP-008~1", "RCP-024~1", "EXT-003~1"} & set(case["requirements"])
        if case["requirements"][0].startswith("ENC"):
            continue
        expected = case["expect"]["verdict"] == "accept" or not shapeless
        assert GRAMMAR.holds(rule, cbor2.loads(body)) is expected, case["id"]


@pytest.mark.parametrize(
    ("family", "rule", "shape"),
    [
        ("descriptor", "descriptor-body", "NET-011~1"),
        ("roll", "roll-body", "NET-018~1"),
        ("revocation", "account-epoch-body", "KEY-014~1"),
    ],
)
def test_signed_bodies_of_networks(family: str, rule: str, shape: str) -> None:
    """As above; the order of a roll's keys, and its network, are not for CDDL to say."""
    beyond = {"reject-keys-descending", "reject-key-twice", "reject-of-another-network"}
    for case in vectors(family):
        if case["requirements"][0].startswith("ENC") or case["id"] in beyond:
            continue
        shapeless = {shape, "EXT-003~1"} & set(case["requirements"]) and case["expect"]["verdict"] == "reject"
        assert GRAMMAR.holds(rule, cbor2.loads(bytes.fromhex(case["body"]))) is not bool(shapeless), case["id"]


def test_memberships_of_the_vectors() -> None:
    """All that a node shows has its rule, or the case says that it has not."""
    rules_of = {
        "membership": "membership-body",
        "node_certificate": "node-certificate-body",
        "descriptor": "descriptor-body",
        "roll": "roll-body",
    }
    for case in vectors("membership"):
        if case["requirements"][0].startswith("ENC"):
            continue
        shown = {rule: cbor2.loads(bytes.fromhex(case[key])) for key, rule in rules_of.items() if case[key]}
        holds = all(GRAMMAR.holds(rule, cbor2.loads(body)) for rule, (body, _) in shown.items())
        shapeless = {"NET-020~1", "KEY-010~1", "EXT-003~1"} & set(case["requirements"])
        assert holds is not bool(shapeless), case["id"]


def test_arguments_of_the_vectors() -> None:
    for case in vectors("arguments"):
        if case["requirements"][0] in ("ENC-010~1", "ENC-011~1", "EXT-001~1"):
            continue
        value = cbor2.loads(bytes.fromhex(case["hex"]))
        assert GRAMMAR.holds(case["rule"], value) is (case["expect"]["verdict"] == "accept"), case["id"]


def test_contents_of_the_vectors() -> None:
    for case in vectors("content"):
        if not isinstance(case["hex"], str) or case["requirements"][0] in ("INF-003~1", "EXT-001~1", "INF-034~1"):
            continue
        value = cbor2.loads(bytes.fromhex(case["hex"]))
        named = value.get(0) if isinstance(value, dict) else None
        if named == 2 and isinstance(value[2], bytes) and len(value[2]) % 4:
            continue  # CDDL cannot say: a multiple of four
        rule = CONTENTS.get(named, "chat-request") if type(named) is int else "chat-request"
        assert GRAMMAR.holds(rule, value) is (case["expect"]["verdict"] == "accept"), case["id"]


def test_receipts_of_the_vectors() -> None:
    for case in vectors("receipts"):
        if case["expect"]["verdict"] == "accept":
            assert GRAMMAR.holds("receipt", cbor2.loads(bytes.fromhex(case["receipt"]))), case["id"]
