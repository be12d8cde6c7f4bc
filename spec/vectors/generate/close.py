"""Family ``close``: a provider's bill, as the consumer sees it that has to countersign or refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mycellm_proto import place_order
from mycellm_proto.answer import Answer, Chunk
from mycellm_proto.codec import Value, encode
from mycellm_proto.consumer import ConsumerExchange
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import response_commitment, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import Ended, Failed
from mycellm_proto.frames import Accept, End
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_AMOUNT, MAX_TOKENS
from mycellm_proto.signed import Context, Signed, digest

from . import constants as c
from .family import HEX, NUMBER, TEXT, DisagreementError, Family, Json, accept, case, nullable, outcome, record
from .notation import as_map

_CHUNKS = (("Hello", 1), (", ", 1), ("Alice", 1), (".", 1))
_ORDER = place_order(
    c.ALICE,
    c.REQUEST,
    quote=c.QUOTE,
    signed_quote=c.SIGNED_QUOTE,
    sequence=c.OPEN.sequence,
    previous=c.OPEN.previous,
    ceiling=c.CEILING,
    salt=c.SALT,
    chain_seed=c.CHAIN_SEED,
)
assert _ORDER.signed_open == c.SIGNED_OPEN  # the same open, put together twice
_BODY = as_map(c.SIGNED_CLOSE.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What the consumer counted, and the END that it got."""

    close: Signed
    salt: bytes = c.ANSWER_SALT
    cancelled_after: int | None = None
    chunks: tuple[tuple[str, int], ...] = _CHUNKS

    def judge(self) -> tuple[int, int | None]:
        """Play the exchange to a consumer: the ticks that it released, and the code that it refused with if it did."""
        exchange = ConsumerExchange(0, _ORDER, c.ALICE, float(c.NOW))
        exchange.ask()
        exchange.receive(Accept(input_tokens=c.INPUT_TOKENS), 8, c.NOW)
        for number, (text, tokens) in enumerate(self.chunks):
            if number == self.cancelled_after:
                exchange.cancel(c.NOW)
            exchange.receive(Chunk(text=text, tokens=tokens), 20, c.NOW)
        exchange.receive(End(salt=self.salt, close=self.close), 300, c.NOW)
        ended = [event for event in exchange.events if isinstance(event, Ended | Failed)]
        code = ended[-1].code if isinstance(ended[-1], Failed) else None
        return exchange.evidence.ticks, code

    def shown(self, ticks: int) -> dict[str, Json]:
        """The keys of a case."""
        return {
            "consumer": c.ALICE.public.hex(),
            "provider": c.BOB.public.hex(),
            "quote": encode(c.SIGNED_QUOTE.to_value()).hex(),
            "open": encode(c.SIGNED_OPEN.to_value()).hex(),
            "input_tokens": c.INPUT_TOKENS,
            "chunks": [{"text": text, "tokens": tokens} for text, tokens in self.chunks],
            "cancelled_after": self.cancelled_after,
            "ticks": ticks,
            "salt": self.salt.hex(),
            **c.shown(self.close, Context.CLOSE),
        }


def _billed(change: Mapping[int, Value], key: SigningKey = c.BOB) -> _View:
    """The honest close with its body changed and signed again."""
    return _View(close=Signed.make(key, Context.CLOSE, {**_BODY, **change}))


def _response(text: str, finish: FinishReason, tokens: int) -> bytes:
    return response_commitment(c.ANSWER_SALT, Answer(text=text), finish, tokens)


def _cancelled(chunks: int, ticks: int, **changes: object) -> _View:
    """A bill for the first ``chunks`` only, capped by the ticks."""
    text = "".join(each for each, _ in _CHUNKS[:chunks])
    close = replace(
        c.CLOSE,
        response=_response(text, FinishReason.CANCELLED, chunks),
        output_tokens=chunks,
        total=c.QUOTE.total(FinishReason.CANCELLED, c.INPUT_TOKENS, chunks, ticks),
        finish=FinishReason.CANCELLED,
    )
    return _View(close=sign(c.BOB, replace(close, **changes)), cancelled_after=chunks)  # type: ignore[arg-type]


def _finished(finish: int) -> _View:
    """The honest close with another end, which its commitment has too; it may be none that is registered."""
    answer: Value = {0: "".join(each for each, _ in _CHUNKS), 1: finish, 2: 4}
    return _billed({2: digest(Context.RESPONSE, encode(c.ANSWER_SALT), encode(answer)), 7: finish})


def _after_cancel(tokens: int) -> _View:
    """The whole bill of an answer whose second chunk came after CANCEL, which had released ticks for the first."""
    close = replace(
        c.CLOSE,
        response=_response("Hello, Alice", FinishReason.STOP, 1 + tokens),
        output_tokens=1 + tokens,
        total=c.QUOTE.owed(c.INPUT_TOKENS, 1 + tokens),
    )
    return _View(close=sign(c.BOB, close), cancelled_after=1, chunks=(("Hello", 1), (", Alice", tokens)))


_HONEST = _View(close=c.SIGNED_CLOSE)
_GOOD: tuple[tuple[str, str, _View], ...] = (
    ("accept-stop", "RCP-028~1", _HONEST),
    *(
        (f"accept-{finish.name.lower()}", "RCP-028~1", _finished(finish))
        for finish in FinishReason
        if finish not in (FinishReason.STOP, FinishReason.CANCELLED, FinishReason.TOOL_CALLS)
    ),
    ("accept-cancelled-after-one-chunk", "RCP-025~1", _cancelled(1, 2)),
    ("accept-cancelled-before-any-chunk", "RCP-025~1", _cancelled(0, 2)),
    ("accept-whole-bill-that-crossed-the-cancel", "RCP-025~1", replace(_HONEST, cancelled_after=1)),
    ("accept-whole-bill-up-to-the-window", "RCP-033~1", _after_cancel(4)),
)

_BAD: tuple[tuple[str, str, _View], ...] = (
    (
        "reject-flipped-signature",
        "RCP-026~1",
        replace(_HONEST, close=replace(c.SIGNED_CLOSE, signature=c.flipped(c.SIGNED_CLOSE.signature))),
    ),
    ("reject-zero-signature", "RCP-026~1", replace(_HONEST, close=replace(c.SIGNED_CLOSE, signature=bytes(64)))),
    (
        "reject-wrong-context",
        "RCP-026~1",
        _View(close=Signed.make_over(c.BOB, Context.COUNTERSIGN, c.SIGNED_CLOSE.body)),
    ),
    ("reject-signed-by-another", "RCP-026~1", _billed({}, c.CAROL)),
    ("reject-signed-by-the-consumer", "RCP-026~1", _billed({}, c.ALICE)),
    ("reject-odd-key", "EXT-003~1", _billed({9: True})),
    ("reject-even-key", "EXT-003~1", _billed({10: True})),
    ("reject-open-of-31-bytes", "RCP-024~1", _billed({0: bytes(31)})),
    ("reject-finish-unknown", "RCP-024~1", _finished(9)),
    ("reject-finish-0", "RCP-024~1", _finished(0)),
    ("reject-assurance-unknown", "RCP-024~1", _billed({8: 1})),
    ("reject-tokens-beyond-most", "RCP-024~1", _billed({5: MAX_TOKENS + 1})),
    ("reject-total-of-2-53", "RCP-024~1", _billed({6: MAX_AMOUNT + 1})),
    ("reject-total-negative", "RCP-024~1", _billed({6: -1})),
    ("reject-open-of-another-request", "RCP-028~1", _billed({0: c.entropy("another open")})),
    ("reject-other-request", "RCP-028~1", _billed({1: c.entropy("another request")})),
    ("reject-other-response", "RCP-028~1", _billed({2: c.entropy("another answer")})),
    ("reject-other-salt", "RCP-028~1", replace(_HONEST, salt=c.entropy("another salt"))),
    ("reject-other-model", "RCP-028~1", _billed({3: c.entropy("another model")})),
    ("reject-other-input", "RCP-028~1", _billed({4: 11})),
    ("reject-one-token-more", "RCP-028~1", _billed({5: 5, 6: 30})),
    ("reject-total-one-more", "RCP-028~1", _billed({6: 27})),
    ("reject-total-one-less", "RCP-028~1", _billed({6: 25})),
    ("reject-total-huge", "RCP-028~1", _billed({6: MAX_AMOUNT})),
    ("reject-finish-not-committed-to", "RCP-028~1", _billed({7: 2})),
    ("reject-cancelled-by-nobody", "RCP-027~1", replace(_cancelled(4, 4), cancelled_after=None)),
    ("reject-cancelled-billed-beyond-ticks", "RCP-025~1", _cancelled(1, 2, total=c.QUOTE.owed(c.INPUT_TOKENS, 4))),
    ("reject-whole-bill-beyond-the-window", "RCP-033~1", _after_cancel(5)),
    ("reject-cancelled-billed-for-more-chunks", "RCP-028~1", replace(_cancelled(2, 2), cancelled_after=1)),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, view in _GOOD:
        ticks, code = view.judge()
        if code is not None:
            raise DisagreementError(f"{slug}: {ErrorCode(code).name}")
        made.append(case(slug, requirement, **view.shown(ticks), expect=accept(total=_total(view))))
    for slug, requirement, view in _BAD:
        ticks, code = view.judge()
        if code is not ErrorCode.BAD_CLOSE:
            raise DisagreementError(f"{slug}: {code}")
        made.append(case(slug, requirement, **view.shown(ticks), expect={"verdict": "reject", "code": code.name}))
    return made


def _total(view: _View) -> int:
    return int(str(as_map(view.close.body)[6]))


_CHUNK = record(text=TEXT, tokens=NUMBER)

FAMILY = Family(
    name="close",
    description="Signed closes, as the consumer sees them that has to agree or refuse.",
    notes=(
        "The consumer sent open against quote, got an ACCEPT with input_tokens, and these chunks; it sent CANCEL before"
        " the chunk of index cancelled_after, or no CANCEL (null). It has released so many ticks in all: the most that"
        " a cancelled answer may cost.",
        "salt is that of the END frame; body and signature are its close.",
        "Accepted: the consumer countersigns, and total is due. Rejected: it sends ERROR with the code.",
    ),
    verification=(
        "Judge the close as the consumer that has seen all this and nothing else.",
        "Compute every key of the close again from what was delivered; only one that is equal in all is agreed to.",
        "Whether the chunks kept to the payment window does not count: that is looked at when each arrives.",
    ),
    schema={
        "consumer": HEX,
        "provider": HEX,
        "quote": HEX,
        "open": HEX,
        "input_tokens": NUMBER,
        "chunks": {"type": "array", "items": _CHUNK},
        "cancelled_after": nullable(NUMBER),
        "ticks": NUMBER,
        "salt": HEX,
        **c.SHOWN,
        "expect": outcome(total=NUMBER),
    },
    cases=_cases,
)
