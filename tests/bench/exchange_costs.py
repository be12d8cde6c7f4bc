"""What an exchange costs: to either side when the other vanishes, in CPU for its ticks, and for its signatures."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import nacl.signing

from mycellm_proto.answer import Chunk
from mycellm_proto.economy import close_body, countersign, open_body, sign
from mycellm_proto.events import ChunkReceived, Failed, Settled
from mycellm_proto.limits import MAX_TICK_VALUE
from mycellm_proto.receipt import decode_receipt, encode_receipt, receipt_of, verify_receipt
from tests.proto.pair import ALICE, BOB, INPUT, Pair, quote
from tests.store.evidence import opened, settled

TOKENS = 200
PRICE_OUT = 4
WORD = Chunk(text="word ", tokens=1)


def measure(quick: bool) -> dict[str, object]:
    """The figures of one exchange."""
    return {
        "vanishing": _vanishing(40 if quick else 500),
        "ticks": _ticks(6 if quick else 40),
        "receipts": _receipts(200 if quick else 2_000),
    }


def _vanishing(rounds: int) -> dict[str, object]:
    """One side is gone after a random number of deliveries: the most that the other one has lost, in ticks.

    The provider loses what it has delivered and was not paid for; the consumer what it paid for and did not get,
    beyond what was prepaid.
    """
    chance = random.Random(7)
    provider = consumer = 0.0
    for _ in range(rounds):
        tick_value, window, prepaid = chance.choice([16, 64, 100]), chance.randint(1, 8), chance.randint(0, 2)
        offer = quote(tick_value=tick_value, window=window, prepaid_ticks=prepaid, price_out=PRICE_OUT)
        pair = Pair.make()
        stream = pair.streaming(offer, ceiling=100 * tick_value, max_tokens=TOKENS)
        sent, eager = 0, chance.choice([0.3, 0.6, 0.95])
        for _ in range(chance.randrange(80)):
            exchange = pair.responder.connection.provider(stream)
            if exchange is not None and chance.random() < eager and exchange.ready(WORD, pair.now):
                pair.responder.connection.chunk(stream, WORD, pair.now)
                sent += 1
            else:
                pair.passed_on()
        for side in (pair.initiator, pair.responder):
            side.collect()
        got = offer.owed(INPUT, sum(each.chunk.tokens for each in pair.initiator.all(ChunkReceived)))
        for side in (pair.initiator, pair.responder):
            side.connection.connection_lost(0)
            side.collect()
        paid = pair.responder.last(Settled).evidence.ticks
        released = pair.initiator.last(Failed).evidence.ticks
        provider = max(provider, (offer.owed(INPUT, sent) / tick_value - paid) / window)
        consumer = max(consumer, (released - got / tick_value - prepaid) / window)
    return {
        "rounds": rounds,
        "provider_loss_of_window": round(provider, 2),
        "consumer_loss_of_window": round(max(consumer, 0), 2),
    }


def _seconds(tick_value: int) -> float:
    """CPU of an answer, both sides together, from its first token on: a tick a token, or none at all."""
    pair = Pair.make()
    ticking = tick_value == PRICE_OUT
    offer = quote(tick_value=tick_value, window=8, prepaid_ticks=0 if ticking else 1, price_out=PRICE_OUT)
    ceiling = PRICE_OUT * (TOKENS + INPUT) if ticking else tick_value
    stream = pair.streaming(offer, ceiling=ceiling, max_tokens=TOKENS)
    started = time.process_time()
    for _ in range(TOKENS - 1):
        pair.say(stream, "word ")
    return (time.process_time() - started) / (TOKENS - 1)


def _ticks(rounds: int) -> dict[str, object]:
    samples = [(_seconds(PRICE_OUT), _seconds(MAX_TICK_VALUE)) for _ in range(rounds)][1:]
    return {
        "added_microseconds_per_token": round(statistics.median(a - b for a, b in samples) * 1e6, 1),
        "ratio": round(statistics.median(a / b for a, b in samples), 2),
    }


def _rate(work: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - started)


def _receipts(count: int) -> dict[str, object]:
    """Made (open, close and countersignature) and verified (all four signatures, from bytes), against bare Ed25519."""
    evidence = settled(opened())
    assert evidence.close is not None
    opening = open_body(evidence.open)
    data = encode_receipt(receipt_of(evidence))
    close = close_body(evidence.close)

    def make() -> None:
        sign(ALICE, opening)
        countersign(ALICE, sign(BOB, close))

    def verify() -> None:
        if verify_receipt(decode_receipt(data)):
            raise ValueError("it does not verify")

    key = nacl.signing.SigningKey(bytes(32))
    signed = key.sign(data)
    public = key.verify_key
    made, checked = _rate(make, count), _rate(verify, count)
    signs, verifies = _rate(lambda: key.sign(data), count), _rate(lambda: public.verify(signed), count)
    return {
        "made_per_second": round(made),
        "verified_per_second": round(checked),
        "made_of_bare_ed25519": round(made * 3 / signs, 2),
        "verified_of_bare_ed25519": round(checked * 4 / verifies, 2),
    }
