"""Family ``billing``: the close that a provider makes of what it delivered."""

from __future__ import annotations

from dataclasses import dataclass

from mycellm_proto.answer import Answer
from mycellm_proto.codec import encode
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import response_commitment

from . import constants as c
from .family import HEX, NUMBER, TEXT, DisagreementError, Family, Json, accept, case, nullable, record

_CHUNKS = (("Hello", 1), (", ", 1), ("Alice", 1), (".", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivered:
    """What the provider delivered, and where the consumer wanted no more: chunks, and ticks released by then."""

    total: int
    finish: FinishReason = FinishReason.STOP
    cancel: tuple[int, int] | None = None
    chunks: tuple[tuple[str, int], ...] = _CHUNKS

    def case(self, slug: str) -> dict[str, Json]:
        """The case. ``total`` is stated by hand; the rest of the close follows from the constants."""
        billed = self.chunks if self.cancel is None else self.chunks[: self.cancel[0]]
        tokens = sum(count for _, count in billed)
        ticks = 0 if self.cancel is None else self.cancel[1]
        if c.QUOTE.total(self.finish, c.INPUT_TOKENS, tokens, ticks) != self.total:
            raise DisagreementError(slug)
        response = response_commitment(
            c.ANSWER_SALT, Answer(text="".join(text for text, _ in billed)), self.finish, tokens
        )
        fields: dict[str, Json] = {
            "open": c.CLOSE.open.hex(),
            "request": c.OPEN.request.hex(),
            "response": response.hex(),
            "model_digest": c.QUOTE.model_digest.hex(),
            "input_tokens": c.INPUT_TOKENS,
            "output_tokens": tokens,
            "total": self.total,
            "finish": int(self.finish),
            "assurance": 0,
        }
        return case(
            slug,
            "RCP-007~1 RCP-025~1",
            quote=encode(c.SIGNED_QUOTE.to_value()).hex(),
            open=encode(c.SIGNED_OPEN.to_value()).hex(),
            input_tokens=c.INPUT_TOKENS,
            chunks=[{"text": text, "tokens": count} for text, count in self.chunks],
            cancel=None if self.cancel is None else {"chunks": self.cancel[0], "ticks": self.cancel[1]},
            finish=int(self.finish),
            salt=c.ANSWER_SALT.hex(),
            expect=accept(fields=fields),
        )


_CANCELLED = FinishReason.CANCELLED
_CASES: tuple[tuple[str, _Delivered], ...] = (
    ("stop", _Delivered(total=26)),
    ("length", _Delivered(total=26, finish=FinishReason.LENGTH)),
    ("ceiling", _Delivered(total=26, finish=FinishReason.CEILING)),
    ("nothing-delivered", _Delivered(total=10, chunks=())),
    ("text-without-tokens", _Delivered(total=14, chunks=(("Hel", 0), ("lo", 1), ("", 0)))),
    ("cancelled-and-wholly-paid", _Delivered(total=14, finish=_CANCELLED, cancel=(1, 2))),
    ("cancelled-and-paid-in-part", _Delivered(total=16, finish=_CANCELLED, cancel=(2, 2))),
    ("cancelled-with-chunks-on-their-way", _Delivered(total=18, finish=_CANCELLED, cancel=(2, 3))),
    ("cancelled-before-any-chunk", _Delivered(total=8, finish=_CANCELLED, cancel=(0, 1), chunks=())),
    ("cancelled-without-a-tick", _Delivered(total=0, finish=_CANCELLED, cancel=(4, 0))),
)


def _cases() -> list[dict[str, Json]]:
    return [delivered.case(slug) for slug, delivered in _CASES]


FAMILY = Family(
    name="billing",
    description="Closes, as the provider has to make them of what it delivered.",
    notes=(
        "The provider admitted open against quote, sent ACCEPT with input_tokens, and these chunks. cancel is the"
        " CANCEL that came, with its chunks and ticks, or null. finish is the number of the reason, and salt what the"
        " provider takes for the commitment.",
        "fields is the body of the close, with hashes in hex.",
    ),
    verification=(
        "Make the close as the provider that delivered all this.",
        "Whether a chunk should have been sent does not count: see the payment window in the family exchange.",
        "The signature is not asked for: see the family signing.",
    ),
    schema={
        "quote": HEX,
        "open": HEX,
        "input_tokens": NUMBER,
        "chunks": {"type": "array", "items": record(text=TEXT, tokens=NUMBER)},
        "cancel": nullable(record(chunks=NUMBER, ticks=NUMBER)),
        "finish": NUMBER,
        "salt": HEX,
        "expect": record(
            verdict={"const": "accept"},
            fields=record(
                open=HEX,
                request=HEX,
                response=HEX,
                model_digest=HEX,
                input_tokens=NUMBER,
                output_tokens=NUMBER,
                total=NUMBER,
                finish=NUMBER,
                assurance=NUMBER,
            ),
        ),
    },
    cases=_cases,
)
