"""The people and things of the vectors: keys, one quote, one open, one close. Entropy is the SHA-256 of a name."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mycellm_proto.answer import Answer
from mycellm_proto.content import ChatRequest, FinishReason, Message, Role, Sampling
from mycellm_proto.content_codec import encode_content
from mycellm_proto.economy import (
    DIRECT_NETWORK,
    Close,
    Open,
    Quote,
    request_commitment,
    response_commitment,
    sign,
)
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed, preimage
from mycellm_proto.ticks import Chain

from .family import HEX, Json, record


def entropy(name: str) -> bytes:
    """32 bytes that stand for fresh randomness."""
    return hashlib.sha256(f"mycellm vectors: {name}".encode()).digest()


NOW = 1_790_000_000
"""The clock of the vectors, in seconds since 1970."""

ALICE = SigningKey(entropy("alice"))
"""The initiator and consumer."""
BOB = SigningKey(entropy("bob"))
"""The responder and provider."""
CAROL = SigningKey(entropy("carol"))
"""Anyone else."""

MODEL = "smollm2-135m-instruct"
CEILING = 1000
SALT = entropy("salt of the request")
ANSWER_SALT = entropy("salt of the answer")
ANSWER = "Hello, Alice."
INPUT_TOKENS = 10
OUTPUT_TOKENS = 4

REQUEST = ChatRequest(
    model=MODEL,
    messages=(Message(role=Role.USER, content="Say hello to Alice."),),
    max_tokens=64,
    deadline_ms=60_000,
    sampling=Sampling(temperature=0),
)
CONTENT = encode_content(REQUEST)

QUOTE = Quote(
    provider=BOB.public,
    network=DIRECT_NETWORK,
    model=MODEL,
    model_digest=entropy("model"),
    context_length=8192,
    price_in=1,
    price_out=4,
    tick_value=8,
    prepaid_ticks=1,
    window=2,
    expires=NOW + 3600,
)
SIGNED_QUOTE = sign(BOB, QUOTE)

CHAIN_SEED = entropy("chain")
CHAIN = Chain(CHAIN_SEED, QUOTE.most_ticks(CEILING))

OPEN = Open(
    network=DIRECT_NETWORK,
    consumer=ALICE.public,
    provider=BOB.public,
    sequence=7,
    previous=None,
    quote=SIGNED_QUOTE.digest(Context.QUOTE),
    request=request_commitment(SALT, CONTENT),
    ceiling=CEILING,
    anchor=CHAIN.anchor,
)
SIGNED_OPEN = sign(ALICE, OPEN)

CLOSE = Close(
    open=SIGNED_OPEN.digest(Context.OPEN),
    request=OPEN.request,
    response=response_commitment(ANSWER_SALT, Answer(text=ANSWER), FinishReason.STOP, OUTPUT_TOKENS),
    model_digest=QUOTE.model_digest,
    input_tokens=INPUT_TOKENS,
    output_tokens=OUTPUT_TOKENS,
    total=QUOTE.owed(INPUT_TOKENS, OUTPUT_TOKENS),
    finish=FinishReason.STOP,
)
SIGNED_CLOSE = sign(BOB, CLOSE)


def cancelled_close() -> Close:
    """The bill of the same request, cancelled by its consumer after one token, on one tick."""
    return replace(
        CLOSE,
        response=response_commitment(ANSWER_SALT, Answer(text="Hello"), FinishReason.CANCELLED, 1),
        output_tokens=1,
        total=QUOTE.total(FinishReason.CANCELLED, INPUT_TOKENS, 1, 1),
        finish=FinishReason.CANCELLED,
    )


def flipped(data: bytes, bit: int = 0) -> bytes:
    """``data`` with one bit of its first byte changed."""
    return bytes((data[0] ^ 1 << bit,)) + data[1:]


def shown(signed: Signed, context: Context) -> dict[str, Json]:
    """A signed object in all its parts."""
    return {
        "body": signed.body.hex(),
        "signature": signed.signature.hex(),
        "intermediate": intermediate(signed, context),
    }


def intermediate(signed: Signed, context: Context) -> dict[str, Json]:
    """What a verifier finds on its way: what the signature is over, and the object's name."""
    return {"preimage": preimage(context, signed.body).hex(), "hash": signed.digest(context).hex()}


INTERMEDIATE = record(preimage=HEX, hash=HEX)
"""The schema of what `intermediate` gives."""
SHOWN: dict[str, Json] = {"body": HEX, "signature": HEX, "intermediate": INTERMEDIATE}
"""The schemas of what `shown` gives."""
