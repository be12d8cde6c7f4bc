"""Attacks on the REQUEST and its open: each has an honest twin, is answered by name, and harms nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mycellm_proto import codec, limits
from mycellm_proto.answer import Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.content_codec import CHAT_REQUEST, encode_content
from mycellm_proto.economy import MAX_SEQUENCE, OPEN, Open, Quote, request_commitment, sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import ConnectionFailed, ModelsChanged, RequestReceived, RequestRefused, Settled
from mycellm_proto.frames import Error, Frame, Models, Request, UnknownFrame, encode
from mycellm_proto.framing import encode_frame
from mycellm_proto.keys import SigningKey
from mycellm_proto.order import Order
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain

from .pair import ALICE, BOB, MALLORY, NOW, Pair, chat, order, quote, seed
from .strategies import least

STREAM = 4


def honest(pair: Pair, offer: tuple[Quote, Signed], sequence: int = 2) -> tuple[Order, Request]:
    """What Alice would send next, undelivered."""
    placed = order(offer, sequence=sequence)
    return placed, Request(
        content=placed.content,
        salt=placed.salt,
        open=placed.signed_open,
        prepaid=placed.chain.link(placed.quote.prepaid_ticks),
    )


def signed_as(opened: Open, key: SigningKey = ALICE, context: Context = Context.OPEN) -> Signed:
    return Signed.make(key, context, OPEN.write(opened))


def refused_alone(forge: Callable[[Order, Request], Frame | bytes]) -> ErrorCode:
    """Bob refuses what ``forge`` makes of an honest request; the exchange beside it goes on, and the twin is taken."""
    pair = Pair.make()
    running = pair.streaming()
    offer = pair.initiator.last(ModelsChanged).quotes[0]
    placed, request = honest(pair, offer)
    bob = pair.responder
    held = bob.connection.provider(running)
    assert held is not None
    before, received = held.evidence, len(bob.all(RequestReceived))
    bob.feed(STREAM, forge(placed, request))
    assert bob.closed is None
    assert bob.connection.provider(STREAM) is None
    assert bob.connection.provider(running) is held
    assert held.evidence == before
    assert len(bob.all(RequestReceived)) == received
    (answer,) = bob.sent(STREAM)
    assert isinstance(answer, Error)
    assert bob.ended(STREAM)
    assert not bob.all(Settled)
    bob.feed(STREAM + 4, request)
    assert len(bob.all(RequestReceived)) == received + 1
    assert bob.last(RequestRefused).stream_id == STREAM
    return ErrorCode(answer.code)


def change(**changes: object) -> Callable[[Order, Request], Frame]:
    """The open with other values, signed by Alice."""
    return lambda placed, request: replace(request, open=signed_as(replace(placed.open, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consumer": MALLORY.public}, ErrorCode.BAD_OPEN),
        ({"provider": MALLORY.public}, ErrorCode.BAD_OPEN),
        ({"consumer": BOB.public, "provider": ALICE.public}, ErrorCode.BAD_OPEN),
        ({"network": seed("another network")}, ErrorCode.BAD_OPEN),
        ({"quote": seed("unknown quote")}, ErrorCode.UNKNOWN_QUOTE),
        ({"request": seed("another request")}, ErrorCode.BAD_OPEN),
        ({"anchor": seed("another chain")}, ErrorCode.BAD_TICK),
        ({"ceiling": 0}, ErrorCode.BAD_TICK),
    ],
)
def test_an_open_of_something_else_is_refused(changes: dict[str, object], code: ErrorCode) -> None:
    assert refused_alone(change(**changes)) is code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (3, 0),
        (3, -1),
        (3, MAX_SEQUENCE + 1),
        (7, -1),
        (7, 1 << 53),
        (7, True),
        (7, None),
        (7, "1000"),
        (4, b""),
        (9, 1),
        (65, True),
    ],
)
def test_an_open_outside_of_its_bounds_is_refused(field: int, value: codec.Value) -> None:
    """Seen in the field: what is not an integer never reaches a comparison."""

    def forge(placed: Order, request: Request) -> Frame:
        return replace(request, open=Signed.make(ALICE, Context.OPEN, {**OPEN.write(placed.open), field: value}))

    assert refused_alone(forge) is ErrorCode.BAD_OPEN


def test_a_float_in_an_open_is_no_encoding() -> None:
    def forge(placed: Order, request: Request) -> Frame:
        body = placed.signed_open.body.replace(b"\x19\x03\xe8", bytes.fromhex("f97e00"))  # ceiling: NaN
        assert body != placed.signed_open.body
        return replace(request, open=Signed.make_over(ALICE, Context.OPEN, body))

    assert refused_alone(forge) is ErrorCode.MALFORMED


def in_context(context: Context) -> Callable[[Order, Request], Frame]:
    return lambda placed, request: replace(request, open=signed_as(placed.open, context=context))


def test_an_open_that_alice_did_not_sign_is_refused() -> None:
    forged: list[Callable[[Order, Request], Frame]] = [
        lambda placed, request: replace(request, open=signed_as(placed.open, MALLORY)),
        lambda placed, request: replace(request, open=replace(placed.signed_open, signature=bytes(64))),
        *(in_context(context) for context in Context if context is not Context.OPEN),
    ]
    for forge in forged:
        assert refused_alone(forge) is ErrorCode.BAD_OPEN


def test_another_nodes_open_is_refused() -> None:
    """Mallory's own open, rightly signed, on Alice's connection: nobody pays for another."""

    def forge(placed: Order, request: Request) -> Frame:
        return replace(request, open=signed_as(replace(placed.open, consumer=MALLORY.public), MALLORY))

    assert refused_alone(forge) is ErrorCode.BAD_OPEN


def test_content_and_salt_are_the_ones_committed_to() -> None:
    assert refused_alone(lambda _, request: replace(request, salt=seed("x"))) is ErrorCode.BAD_OPEN
    assert refused_alone(asking(encode_content(chat(max_tokens=65)))) is ErrorCode.BAD_OPEN


def test_the_prepaid_link_is_of_the_chain_and_of_the_right_place() -> None:
    chain = Chain(seed("chain 2"), 16)  # that of the forged request, whose prepay is link 1
    for link in (seed("x"), bytes(32), chain.link(0), chain.link(2)):
        assert refused_alone(prepaying(link)) is ErrorCode.BAD_TICK


def prepaying(link: bytes) -> Callable[[Order, Request], Frame]:
    return lambda _, request: replace(request, prepaid=link)


def asking(content: bytes) -> Callable[[Order, Request], Frame]:
    return lambda _, request: replace(request, content=content)


def test_the_model_is_the_quotes() -> None:
    def forge(placed: Order, request: Request) -> Frame:
        content = encode_content(chat(model="another"))
        opened = replace(placed.open, request=request_commitment(placed.salt, content))
        return replace(request, content=content, open=signed_as(opened))

    assert refused_alone(forge) is ErrorCode.BAD_OPEN


def test_content_is_read_strictly() -> None:
    """Seen in the field: a parameter that is not understood is refused, never dropped."""
    small = codec.encode(least(CHAT_REQUEST) | {1: "tiny"})
    cases = [
        (b"", ErrorCode.MALFORMED),
        (b"\xff", ErrorCode.MALFORMED),
        (small + b"\0", ErrorCode.MALFORMED),
        (codec.encode([]), ErrorCode.MALFORMED),
        (codec.encode({}), ErrorCode.MALFORMED),
        (codec.encode({0: []}), ErrorCode.MALFORMED),
        (codec.encode({0: {}}), ErrorCode.MALFORMED),
        (codec.encode({0: 2}), ErrorCode.MALFORMED),
        (codec.encode({0: 9}), ErrorCode.UNSUPPORTED),
        (codec.encode(least(CHAT_REQUEST) | {32: 1}), ErrorCode.MALFORMED),
    ]
    for content, code in cases:
        assert refused_alone(asking(content)) is code


def test_an_expired_quote_is_taken_for_as_long_as_clocks_may_differ() -> None:
    expires = int(NOW) + 3600
    late = expires + limits.CLOCK_SKEW
    pair = Pair.make()
    _, request = honest(pair, pair.advertised())
    pair.responder.feed(0, request, now=late - 0.001)
    assert pair.responder.all(RequestReceived)
    pair.responder.feed(4, honest(pair, pair.initiator.last(ModelsChanged).quotes[0], 3)[1], now=late)
    assert pair.responder.sent(4) == [Error(code=ErrorCode.QUOTE_EXPIRED)]


def test_a_quote_that_was_replaced_stands_until_it_expires() -> None:
    pair = Pair.make()
    old = pair.advertised()
    _, request = honest(pair, old)
    pair.responder.connection.advertise([sign(BOB, quote(price_in=2))], NOW)
    pair.exchange()
    pair.responder.feed(0, request)
    assert pair.responder.all(RequestReceived)
    with pytest.raises(LocalProtocolError):  # but Alice names what is offered now
        pair.initiator.connection.request(order(old), NOW)
    late = int(NOW) + 3600 + limits.CLOCK_SKEW
    pair.responder.connection.advertise([], late)
    pair.responder.feed(4, honest(pair, old, 3)[1], now=late)
    assert pair.responder.sent(4) == [Error(code=ErrorCode.UNKNOWN_QUOTE)]


def test_a_ceiling_below_one_token_is_refused_at_accept() -> None:
    pair = Pair.make()
    stream = pair.requested(ceiling=64)
    assert not pair.responder.connection.accept(stream, 61)
    pair.exchange()
    assert pair.responder.sent(stream) == [Error(code=ErrorCode.CEILING_TOO_LOW, limit=64, actual=65)]
    assert not pair.responder.last(Settled).accepted  # nothing is owed before ACCEPT
    pair = Pair.make()
    assert pair.responder.connection.accept(pair.requested(ceiling=64), 60)


def test_a_ceiling_below_the_prepay_is_not_even_signed() -> None:
    pair = Pair.make()
    offer = pair.advertised(quote(prepaid_ticks=2))
    with pytest.raises(LocalProtocolError) as refused:
        order(offer, ceiling=127)
    assert refused.value.code is ErrorCode.CEILING_TOO_LOW
    order(offer, ceiling=128)


def test_the_largest_amounts_are_exact() -> None:
    pair = Pair.make()
    dear = quote(price_in=limits.MAX_PRICE, price_out=limits.MAX_PRICE, tick_value=limits.MAX_TICK_VALUE)
    assert dear.owed(limits.MAX_TOKENS, limits.MAX_TOKENS) < limits.MAX_AMOUNT
    most = limits.MAX_TICKS * limits.MAX_TICK_VALUE
    assert most <= limits.MAX_AMOUNT
    stream = pair.requested(dear, ceiling=most, max_tokens=limits.MAX_TOKENS)
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert pair.responder.connection.accept(stream, 8192)
    paid = most // limits.MAX_PRICE - 8192
    assert exchange.bound(Chunk(text="", tokens=paid)) is None
    assert exchange.bound(Chunk(text="", tokens=paid + 1)) is FinishReason.CEILING


def test_a_free_quote_needs_no_tick() -> None:
    pair = Pair.make()
    stream = pair.streaming(quote(price_in=0, price_out=0, prepaid_ticks=0), ceiling=0)
    pair.say(stream, "free", "of", "charge")
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    assert pair.responder.last(Settled).evidence.ticks == 0


@pytest.mark.parametrize("kind", [0, 2, 4, 8, 10, 12, 14, 16, 18, 20, 24, 1, 7, 30, 64, 65, 1 << 40])
@pytest.mark.parametrize("body", [b"", b"\xff", b"\xa0", codec.encode({0: 1})])
def test_what_is_no_request_is_answered(kind: int, body: bytes) -> None:
    """Seen in the field: an unknown message was dropped and its caller hung."""
    assert refused_alone(lambda *_: encode_frame(kind, body)) is ErrorCode.UNKNOWN_REQUEST


@pytest.mark.parametrize("body", [b"", b"\xff", b"\xa0", codec.encode({0: 1}), codec.encode([])])
def test_a_request_that_cannot_be_read_is_answered(body: bytes) -> None:
    assert refused_alone(lambda *_: encode_frame(6, body)) is ErrorCode.MALFORMED


@pytest.mark.parametrize("key", [SigningKey(seed("other")), MALLORY])
def test_models_hold_the_senders_own_quotes(key: SigningKey) -> None:
    """Seen in the field: a spoofed announcement replaced a victim's list."""
    pair = Pair.make()
    pair.advertised()
    known = pair.initiator.all(ModelsChanged)
    for forged in (sign(key, quote(key)), sign(key, quote(BOB)), sign(BOB, quote(key))):
        victim = Pair.make()
        victim.advertised()
        victim.initiator.feed(3, Models(quotes=(sign(BOB, quote(price_in=3)), forged)))
        assert victim.initiator.closed == ErrorCode.ENCODING
        assert victim.initiator.last(ConnectionFailed).error.requirement == "RCP-002"
        assert victim.initiator.all(ModelsChanged) == known


def test_a_node_cannot_offer_what_one_frame_does_not_hold() -> None:
    pair = Pair.make()
    pair.exchange()
    offers = [sign(BOB, quote(model=f"model {n}")) for n in range(limits.MAX_QUOTES + 1)]
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.advertise(offers, NOW)
    assert pair.responder.collect() == []
    pair.responder.connection.advertise(offers[1:], NOW)
    pair.exchange()
    assert len(pair.initiator.last(ModelsChanged).quotes) == limits.MAX_QUOTES


def test_the_largest_quotes_fit_their_frame() -> None:
    pair = Pair.make()
    pair.exchange()
    large = quote(
        model="m" * limits.MAX_MODEL_ID,
        context_length=limits.MAX_TOKENS,
        price_in=limits.MAX_PRICE,
        price_out=limits.MAX_PRICE,
        prepaid_ticks=limits.MAX_TICKS,
        window=limits.MAX_TICKS,
        tick_value=limits.MAX_TICK_VALUE,
        expires=limits.MAX_AMOUNT,
    )
    pair.responder.connection.advertise([sign(BOB, large)] * limits.MAX_QUOTES, NOW)
    pair.exchange()
    assert len(pair.initiator.last(ModelsChanged).quotes) == limits.MAX_QUOTES


def test_content_that_no_frame_holds_is_not_sent() -> None:
    """It would cost the whole connection, and every other exchange on it."""
    pair = Pair.make()
    running = pair.streaming()
    offer = pair.initiator.last(ModelsChanged).quotes[0]
    large = replace(order(offer, sequence=2), content=bytes(limits.MAX_REQUEST))
    with pytest.raises(LocalProtocolError) as refused:
        pair.initiator.connection.request(large, NOW)
    assert refused.value.code is ErrorCode.FRAME_TOO_LARGE
    assert pair.initiator.collect() == []
    assert pair.initiator.connection.request(order(offer, sequence=3), NOW) == running + 4


def test_a_request_is_the_first_frame_and_a_reserved_one_never() -> None:
    pair = Pair.make()
    stream = pair.requested()
    first, *rest = pair.initiator.sent(stream)
    assert isinstance(first, Request)
    assert all(isinstance(frame, UnknownFrame) and frame.type % 2 for frame in rest)
    assert encode(first) == encode_frame(
        6, codec.encode({0: first.content, 1: first.salt, 2: first.open.to_value(), 3: first.prepaid})
    )


def test_two_chains_never_share_a_link() -> None:
    one, two = Chain(seed("one"), 8), Chain(seed("two"), 8)
    assert len({chain.link(k) for chain in (one, two) for k in range(9)}) == 18
