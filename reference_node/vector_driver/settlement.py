"""Families of what is billed and agreed: billing, close, countersign, receipts, fraud."""

from __future__ import annotations

from dataclasses import asdict

from mycellm_proto.answer import Answer, Chunk
from mycellm_proto.codec import decode
from mycellm_proto.consumer import ConsumerExchange
from mycellm_proto.content import ChatRequest, FinishReason, Message, Role
from mycellm_proto.economy import Close, check_countersignature, close_body, open_body, quote_body, response_commitment
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.events import Ended, Failed
from mycellm_proto.frames import Accept, End
from mycellm_proto.keys import SigningKey
from mycellm_proto.order import Order
from mycellm_proto.receipt import decode_receipt, verify_double_open, verify_receipt
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain

from .notation import Inputs, Outcome, accept, named, outcome_of, signed

_ANY_KEY = bytes(32)
"""What the consumer of a case signs with, and its chain's last link: neither counts there."""


def billing(inputs: Inputs) -> Outcome:
    """A close, as its provider makes it."""
    quote = quote_body(_object(inputs["quote"]))
    signed_open = _object(inputs["open"])
    cancel = inputs["cancel"] or {"chunks": None, "ticks": 0}
    chunks = inputs["chunks"][: cancel["chunks"]]
    finish, tokens = FinishReason(inputs["finish"]), sum(each["tokens"] for each in chunks)
    text = "".join(each["text"] for each in chunks)
    close = Close(
        open=signed_open.digest(Context.OPEN),
        request=open_body(signed_open).request,
        response=response_commitment(bytes.fromhex(inputs["salt"]), Answer(text=text), finish, tokens),
        model_digest=quote.model_digest,
        input_tokens=inputs["input_tokens"],
        output_tokens=tokens,
        total=quote.total(finish, inputs["input_tokens"], tokens, cancel["ticks"]),
        finish=finish,
    )
    return accept(fields=named(asdict(close)))


def close(inputs: Inputs) -> Outcome:
    """A close, as it comes to a consumer that asked, and got and cancelled what the case says."""
    exchange = ConsumerExchange(0, _order(inputs), SigningKey(_ANY_KEY), 0.0)
    exchange.ask()
    exchange.receive(Accept(input_tokens=inputs["input_tokens"]), 0, 0.0)
    for number, each in enumerate(inputs["chunks"]):
        if number == inputs["cancelled_after"]:
            exchange.cancel(0.0)
        exchange.receive(Chunk(text=each["text"], tokens=each["tokens"]), 0, 0.0)
    if exchange.evidence.ticks != inputs["ticks"]:
        raise ValueError(f"this consumer has released {exchange.evidence.ticks} ticks, and not {inputs['ticks']}")
    exchange.receive(End(salt=bytes.fromhex(inputs["salt"]), close=signed(inputs)), 0, 0.0)
    match exchange.events[-1]:
        case Ended(close=agreed):
            return accept(total=agreed.total)
        case Failed(code=code):
            return {"verdict": "reject", "code": ErrorCode(code).name}
    raise ValueError("the exchange has no end")


def _order(inputs: Inputs) -> Order:
    """What the consumer ordered; of what it said, nothing but the commitment in the open matters here."""
    signed_quote, signed_open = _object(inputs["quote"]), _object(inputs["open"])
    quote, opened = quote_body(signed_quote), open_body(signed_open)
    request = ChatRequest(
        model=quote.model, messages=(Message(role=Role.USER, content=""),), max_tokens=1 << 20, deadline_ms=60_000
    )
    return Order(
        request=request,
        content=b"",
        salt=bytes(32),
        quote=quote,
        signed_quote=signed_quote,
        open=opened,
        signed_open=signed_open,
        chain=Chain(_ANY_KEY, quote.most_ticks(opened.ceiling)),
        most_input=1 << 20,
    )


def _object(data: str) -> Signed:
    return Signed.from_value(decode(bytes.fromhex(data)))


def countersign(inputs: Inputs) -> Outcome:
    """A countersignature, as the provider takes it."""

    def derive() -> Outcome:
        unsigned = Signed(body=bytes.fromhex(inputs["body"]), signature=b"")
        consumer = bytes.fromhex(inputs["consumer"])
        check_countersignature(unsigned, bytes.fromhex(inputs["signature"]), consumer=consumer)
        return accept()

    return outcome_of(derive)


def receipts(inputs: Inputs) -> Outcome:
    """A whole receipt, as anyone checks it."""
    try:
        receipt = decode_receipt(bytes.fromhex(inputs["receipt"]))
    except ProtocolError:
        return {"verdict": "reject", "check": "encoding"}
    findings = verify_receipt(receipt)
    if findings:
        return {"verdict": "reject", "check": findings[0].check}
    opened = open_body(receipt.open)
    parties = {"network": opened.network, "consumer": opened.consumer, "provider": opened.provider}
    return accept(**named(parties), sequence=opened.sequence, total=close_body(receipt.close).total)


def fraud(inputs: Inputs) -> Outcome:
    """Two opens of one identity."""
    first, second = _object(inputs["first"]), _object(inputs["second"])
    if verify_double_open(first, second):
        return {"verdict": "reject"}
    return accept(consumer=open_body(first).consumer.hex())
