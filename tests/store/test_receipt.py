"""Portable receipts: what anyone can verify, and what each lie breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mycellm_proto import codec
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Evidence, sign
from mycellm_proto.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from mycellm_proto.events import Ended
from mycellm_proto.receipt import (
    MAX_RECEIPT,
    Receipt,
    decode_receipt,
    encode_receipt,
    receipt_of,
    verify_double_open,
    verify_evidence,
    verify_receipt,
)

from ..proto.pair import ALICE, BOB, INPUT, Pair, quote, seed
from .evidence import CEILING, CHAIN, TOTAL, bill, closed, name, opened, paid, settled


def broken(evidence: Evidence) -> set[str]:
    """What fails, as the holder sees it; a third party must see the same, except for ticks."""
    found = {finding.check for finding in verify_evidence(evidence)}
    if evidence.countersignature is not None:
        assert {finding.check for finding in verify_receipt(receipt_of(evidence))} == found - {"ticks"}
    return found


def test_what_a_real_exchange_leaves_verifies_on_both_sides_and_elsewhere() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "Hello", "world")
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    evidence = pair.initiator.last(Ended).evidence
    assert not broken(evidence)
    data = encode_receipt(receipt_of(evidence))
    assert decode_receipt(data) == receipt_of(evidence)
    assert verify_receipt(decode_receipt(data)) == []
    assert INPUT


def test_every_step_of_an_exchange_verifies() -> None:
    for evidence in (opened(), paid(opened(), 5), closed(opened()), settled(opened())):
        assert not broken(evidence)


def test_a_cancelled_answer_costs_the_released_ticks_or_what_was_delivered() -> None:
    cancelled = settled(opened(), finish=FinishReason.CANCELLED, total=TOTAL)
    assert not broken(cancelled)
    one_tick = replace(closed(opened(), finish=FinishReason.CANCELLED, total=64), ticks=1, link=CHAIN.link(1))
    assert not broken(settled(one_tick))
    assert broken(settled(opened(), finish=FinishReason.CANCELLED, total=65)) == {"total"}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"open": seed("other")}, "close"),
        ({"request": seed("other")}, "request"),
        ({"model_digest": seed("other")}, "model"),
        ({"total": TOTAL + 1}, "total"),
        ({"total": TOTAL - 1}, "total"),
        ({"output_tokens": 21}, "total"),
    ],
)
def test_a_signed_bill_that_does_not_follow_is_found(changes: dict[str, object], check: str) -> None:
    assert broken(settled(opened(), **changes)) == {check}


def test_a_bill_above_the_ceiling_is_found() -> None:
    assert broken(settled(opened(), output_tokens=1000, total=4010)) == {"total"}


def test_an_unknown_network_is_found_until_it_is_known() -> None:
    foreign = settled(opened(offer=quote(network=seed("network"))))
    assert broken(foreign) == {"network"}
    assert not verify_receipt(receipt_of(foreign), networks=[seed("network")])


def test_objects_of_two_exchanges_do_not_make_a_receipt() -> None:
    one, other = settled(opened(1)), settled(opened(2))
    assert broken(replace(one, close=other.close)) == {"close", "countersignature"}
    assert broken(replace(one, open=other.open)) == {"close"}
    assert broken(replace(one, countersignature=other.countersignature)) == {"countersignature"}
    assert broken(replace(one, quote=sign(BOB, quote(price_in=2)))) == {"quote", "total"}
    assert "quote" in broken(replace(one, quote=sign(ALICE, quote(ALICE))))


def test_a_signature_of_somebody_else_is_found() -> None:
    evidence = settled(opened())
    assert evidence.close is not None
    forged = replace(evidence.close, signature=sign(ALICE, quote()).signature)
    assert broken(replace(evidence, close=forged)) == {"close"}
    assert broken(replace(evidence, open=replace(evidence.open, signature=bytes(64)))) == {"open"}


def test_ticks_must_lead_to_the_anchor() -> None:
    assert broken(replace(opened(), ticks=2)) == {"ticks"}
    assert broken(replace(opened(), link=seed("other"))) == {"ticks"}
    assert broken(replace(opened(), ticks=CEILING // 64 + 1)) == {"ticks"}
    assert broken(replace(opened(), ticks=0, link=CHAIN.anchor)) == {"ticks"}
    assert broken(replace(opened(), ticks=-1)) == {"ticks"}


def test_a_countersignature_without_a_close_is_found() -> None:
    assert {f.check for f in verify_evidence(replace(opened(), countersignature=bytes(64)))} == {"countersignature"}


def test_only_what_both_agreed_on_is_portable() -> None:
    with pytest.raises(LocalProtocolError, match="RCP-030"):
        receipt_of(closed(opened()))


def test_no_byte_of_a_portable_receipt_can_change() -> None:
    data = encode_receipt(receipt_of(settled(opened())))
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            assert verify_receipt(decode_receipt(changed)), position
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize("data", [b"", b"\x80", codec.encode([1, 2, 3, bytes(64)]), bytes(MAX_RECEIPT + 1)])
def test_what_is_no_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_receipt(data)


def test_a_receipt_of_another_length_is_refused() -> None:
    receipt = receipt_of(settled(opened()))
    for trailing in (b"\x00", encode_receipt(receipt)):
        with pytest.raises(RemoteProtocolError):
            decode_receipt(encode_receipt(receipt) + trailing)


def test_a_body_that_says_more_than_the_shape_is_found() -> None:
    evidence = settled(opened())
    more = replace(evidence.quote, body=codec.encode({0: bytes(32)}))
    receipt = Receipt(
        quote=more, open=evidence.open, close=bill(evidence), countersignature=evidence.countersignature or b""
    )
    assert [finding.check for finding in verify_receipt(receipt)] == ["encoding"]


def test_two_opens_under_one_number_prove_fraud_and_nothing_else_does() -> None:
    first, second = opened(1).open, opened(1, request="another").open
    assert verify_double_open(first, second) == []
    assert [f.check for f in verify_double_open(first, first)] == ["open"]
    assert [f.check for f in verify_double_open(first, opened(2).open)] == ["identity"]
    assert [f.check for f in verify_double_open(first, replace(second, signature=bytes(64)))] == ["open"]
    assert [f.check for f in verify_double_open(first, bill(opened(), open=name(opened())))] == ["open"]
