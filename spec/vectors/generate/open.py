"""Family ``open``: a REQUEST as its provider admits it, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mycellm_proto.admission import Admitted, admit
from mycellm_proto.codec import Value, encode
from mycellm_proto.content_codec import encode_content
from mycellm_proto.economy import Quote, request_commitment, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.frames import Request, decode_frame
from mycellm_proto.frames import encode as encode_whole
from mycellm_proto.framing import FrameReader
from mycellm_proto.hello import Session
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import CLOCK_SKEW, MAX_AMOUNT, MAX_REQUEST, MAX_TICKS
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain

from . import constants as c
from .family import BOOLEAN, HEX, NUMBER, DisagreementError, Family, Json, accept, case, outcome, reject
from .members import NETWORK
from .notation import as_map

_PREPAID = c.CHAIN.link(c.QUOTE.prepaid_ticks)
_FRAME = Request(content=c.CONTENT, salt=c.SALT, open=c.SIGNED_OPEN, prepaid=_PREPAID)
_BODY = as_map(c.SIGNED_OPEN.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What the provider knows when the REQUEST arrives."""

    frame: Request = _FRAME
    quote: Quote = c.QUOTE
    consumer: bytes = c.ALICE.public
    pinned: bool = True
    capabilities: tuple[int, ...] = (1,)
    now: int = c.NOW

    def admit(self) -> Admitted:
        """Take the REQUEST as `Connection` does."""
        session = Session(peer=self.consumer, pinned=self.pinned, version=1, capabilities=frozenset(self.capabilities))
        signed = sign(c.BOB, self.quote)
        offered = {signed.digest(Context.QUOTE): (self.quote, signed)}
        return admit(self.frame, session=session, provider=c.BOB.public, offered=offered, now=float(self.now))

    def shown(self) -> dict[str, Json]:
        """The keys of a case."""
        signed = sign(c.BOB, self.quote)
        return {
            "consumer": self.consumer.hex(),
            "provider": c.BOB.public.hex(),
            "pinned": self.pinned,
            "capabilities": list(self.capabilities),
            "now": self.now,
            "offered": encode(signed.to_value()).hex(),
            "request": _body(self.frame).hex(),
            **c.shown(self.frame.open, Context.OPEN),
        }


def _body(frame: Request) -> bytes:
    (raw,) = FrameReader({6: MAX_REQUEST}, 0).feed(encode_whole(frame))
    if decode_frame(raw) != frame:
        raise DisagreementError("a REQUEST does not survive its own encoding")
    return raw.body


def _opened(change: Mapping[int, Value], key: SigningKey = c.ALICE) -> Request:
    """The REQUEST with an open whose body is changed and signed again."""
    return replace(_FRAME, open=Signed.make(key, Context.OPEN, {**_BODY, **change}))


def _without(missing: int) -> Request:
    rest = {key: value for key, value in _BODY.items() if key != missing}
    return replace(_FRAME, open=Signed.make(c.ALICE, Context.OPEN, rest))


def _asked(model: str) -> Request:
    """A REQUEST for another model than the quote's, with its own commitment."""
    content = encode_content(replace(c.REQUEST, model=model))
    return replace(_opened({6: request_commitment(c.SALT, content)}), content=content)


def _tampered(**parts: bytes) -> Request:
    return replace(_FRAME, open=replace(c.SIGNED_OPEN, **parts))


_FREE = replace(c.QUOTE, price_in=0, price_out=0, prepaid_ticks=0)
_HASHED = sign(c.BOB, _FREE).digest(Context.QUOTE)


# A ceiling that takes every tick which an open can have, and one micro-credit more.
_LONGEST = Chain(c.entropy("long chain"), MAX_TICKS)


def _at_most(ceiling: int) -> _View:
    return _View(frame=replace(_opened({7: ceiling, 8: _LONGEST.anchor}), prepaid=_LONGEST.link(1)))


def _prepaying(ticks: int) -> _View:
    """A quote that wants so many ticks beforehand, and all of a chain that is as long offered for them."""
    quote = replace(c.QUOTE, prepaid_ticks=ticks)
    opened = _opened({5: sign(c.BOB, quote).digest(Context.QUOTE), 8: Chain(c.CHAIN_SEED, ticks).anchor})
    return _View(quote=quote, frame=replace(opened, prepaid=c.CHAIN_SEED))


def _rooted() -> _View:
    """A quote and an open in a network that nobody has proved here."""
    quote = replace(c.QUOTE, network=NETWORK)
    return _View(quote=quote, frame=_opened({0: NETWORK, 5: sign(c.BOB, quote).digest(Context.QUOTE)}))


_GOOD: tuple[tuple[str, str, _View], ...] = (
    ("accept-plain", "RCP-004~1 RCP-009~1 RCP-010~1 RCP-011~1 RCP-012~1 RCP-020~1 SIG-002~1 SIG-003~1", _View()),
    ("accept-after-another-open", "RCP-008~1", _View(frame=_opened({4: c.entropy("previous open")}))),
    ("accept-sequence-1", "RCP-008~1", _View(frame=_opened({3: 1}))),
    ("accept-sequence-2-53-minus-1", "RCP-008~1", _View(frame=_opened({3: MAX_AMOUNT}))),
    ("accept-last-second-of-the-quote", "RCP-005~1", _View(now=c.QUOTE.expires - 1)),
    ("accept-within-the-clock-skew", "RCP-005~1", _View(now=c.QUOTE.expires + int(CLOCK_SKEW) - 1)),
    ("accept-greatest-ceiling", "RCP-036~1", _at_most(MAX_TICKS * c.QUOTE.tick_value)),
    ("accept-all-prepaid", "RCP-021~1", _prepaying(125)),
    (
        "accept-free-without-ceiling",
        "RCP-008~1",
        _View(quote=_FREE, frame=replace(_opened({5: _HASHED, 7: 0, 8: c.CHAIN_SEED}), prepaid=c.CHAIN_SEED)),
    ),
)

_B = ErrorCode.BAD_OPEN
_BAD: tuple[tuple[str, str, ErrorCode, _View], ...] = (
    ("reject-unpinned", "HSK-015~1", ErrorCode.UNPINNED, _View(pinned=False)),
    ("reject-capability-not-agreed", "VER-004~1", ErrorCode.UNSUPPORTED, _View(capabilities=())),
    ("reject-flipped-signature", "RCP-010~1", _B, _View(frame=_tampered(signature=c.flipped(c.SIGNED_OPEN.signature)))),
    ("reject-zero-signature", "RCP-010~1", _B, _View(frame=_tampered(signature=bytes(64)))),
    (
        "reject-wrong-context",
        "RCP-010~1",
        _B,
        _View(frame=replace(_FRAME, open=Signed.make_over(c.ALICE, Context.QUOTE, c.SIGNED_OPEN.body))),
    ),
    ("reject-signed-by-another", "RCP-010~1", _B, _View(frame=_opened({}, c.CAROL))),
    ("reject-body-changed", "RCP-010~1", _B, _View(frame=_tampered(body=encode({**_BODY, 7: MAX_AMOUNT})))),
    ("reject-open-of-another-consumer", "RCP-009~1", _B, _View(frame=_opened({1: c.CAROL.public}, c.CAROL))),
    ("reject-sent-by-another-consumer", "RCP-009~1", _B, _View(consumer=c.CAROL.public)),
    ("reject-open-to-another-provider", "RCP-009~1", _B, _View(frame=_opened({2: c.CAROL.public}))),
    ("reject-odd-key", "EXT-003~1", _B, _View(frame=_opened({9: True}))),
    ("reject-reserved-key", "EXT-003~1", _B, _View(frame=_opened({65: True}))),
    ("reject-even-key", "EXT-003~1", _B, _View(frame=_opened({10: True}))),
    ("reject-sequence-0", "RCP-008~1", _B, _View(frame=_opened({3: 0}))),
    ("reject-sequence-negative", "RCP-008~1", _B, _View(frame=_opened({3: -1}))),
    ("reject-sequence-of-2-53", "RCP-008~1", _B, _View(frame=_opened({3: MAX_AMOUNT + 1}))),
    ("reject-previous-of-31-bytes", "RCP-008~1", _B, _View(frame=_opened({4: bytes(31)}))),
    ("reject-previous-empty", "RCP-008~1", _B, _View(frame=_opened({4: b""}))),
    ("reject-without-previous", "RCP-008~1", _B, _View(frame=_without(4))),
    ("reject-ceiling-of-2-53", "RCP-008~1", _B, _View(frame=_opened({7: MAX_AMOUNT + 1}))),
    ("reject-ceiling-negative", "RCP-008~1", _B, _View(frame=_opened({7: -1}))),
    ("reject-ceiling-text", "RCP-008~1", _B, _View(frame=_opened({7: "1000"}))),
    ("reject-anchor-of-33-bytes", "RCP-008~1", _B, _View(frame=_opened({8: bytes(33)}))),
    ("reject-without-anchor", "RCP-008~1", _B, _View(frame=_without(8))),
    ("reject-quote-unknown", "RCP-004~1", ErrorCode.UNKNOWN_QUOTE, _View(frame=_opened({5: c.entropy("no quote")}))),
    ("reject-quote-expired", "RCP-005~1", ErrorCode.QUOTE_EXPIRED, _View(now=c.QUOTE.expires + int(CLOCK_SKEW))),
    ("reject-other-network", "RCP-011~1", _B, _View(frame=_opened({0: c.entropy("another network")}))),
    ("reject-network-that-was-not-proved", "NET-036~1", ErrorCode.NOT_MEMBER, _rooted()),
    ("reject-content-of-another-model", "RCP-011~1", _B, _View(frame=_asked("another-model"))),
    ("reject-ceiling-beyond-all-ticks", "RCP-036~1", _B, _at_most(MAX_TICKS * c.QUOTE.tick_value + 1)),
    ("reject-ceiling-below-the-prepaid-ticks", "RCP-021~1", ErrorCode.BAD_TICK, _prepaying(126)),
    (
        "reject-content-changed",
        "RCP-012~1",
        _B,
        _View(frame=replace(_FRAME, content=encode_content(replace(c.REQUEST, max_tokens=65)))),
    ),
    (
        "reject-content-with-key-added",
        "RCP-012~1",
        _B,
        _View(frame=replace(_FRAME, content=encode_content(c.REQUEST, {65: True}))),
    ),
    ("reject-other-salt", "RCP-012~1", _B, _View(frame=replace(_FRAME, salt=c.entropy("another salt")))),
    (
        "reject-prepaid-is-the-anchor",
        "RCP-020~1",
        ErrorCode.BAD_TICK,
        _View(frame=replace(_FRAME, prepaid=c.CHAIN.anchor)),
    ),
    (
        "reject-prepaid-of-another-chain",
        "RCP-020~1",
        ErrorCode.BAD_TICK,
        _View(frame=replace(_FRAME, prepaid=bytes(32))),
    ),
    (
        "reject-prepaid-one-too-far",
        "RCP-020~1",
        ErrorCode.BAD_TICK,
        _View(frame=replace(_FRAME, prepaid=c.CHAIN.link(2))),
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, view in _GOOD:
        admitted = view.admit()
        expect = accept(sequence=admitted.open.sequence, ceiling=admitted.open.ceiling, ticks=admitted.meter.ticks)
        made.append(case(slug, requirement, **view.shown(), expect=expect))
    for slug, requirement, code, view in _BAD:
        made.append(case(slug, requirement, **view.shown(), expect=reject(view.admit, code, requirement)))
    body = c.SIGNED_OPEN.body + b"\x00"
    view = _View(frame=replace(_FRAME, open=Signed.make_over(c.ALICE, Context.OPEN, body)))
    reject(view.admit, ErrorCode.ENCODING, "ENC-011~1")
    expect = {"verdict": "reject", "code": ErrorCode.MALFORMED.name}  # as the connection answers it
    made.append(case("reject-body-with-trailing-byte", "ENC-011~1", **view.shown(), expect=expect))
    return made


_NUMBERS: Json = {"type": "array", "items": NUMBER}

FAMILY = Family(
    name="open",
    description="REQUESTs with the opens that authorise them, as the provider sees them that has to admit or refuse.",
    notes=(
        "The provider has authenticated consumer on a connection that is pinned or not, agreed on capabilities with it,"
        " and offered it one quote: offered is that signed object. Its clock says now, in seconds since 1970, and it"
        " has never seen an open of this consumer. Nobody has proved a network on the connection.",
        "request is the body of the REQUEST frame. body and signature are those of the open within it.",
        "Accepted: the request is admitted, and so many ticks are paid. Rejected: the request is refused with the code;"
        " the connection goes on.",
    ),
    verification=(
        "Judge the whole request, in the order of checks of SPEC.md, Inference exchange; for each case, by a provider"
        " that has recorded no open before.",
        "Every check but the one that a rejected case breaks holds.",
        "Allowance and load do not count: the provider would serve anybody.",
    ),
    schema={
        "consumer": HEX,
        "provider": HEX,
        "pinned": BOOLEAN,
        "capabilities": _NUMBERS,
        "now": NUMBER,
        "offered": HEX,
        "request": HEX,
        **c.SHOWN,
        "expect": outcome(sequence=NUMBER, ceiling=NUMBER, ticks=NUMBER),
    },
    cases=_cases,
)
