"""Families of what is asked, authorised and paid: content, quote, open, commitments, ticks."""

from __future__ import annotations

from dataclasses import asdict
from enum import IntEnum
from typing import Any

from mycellm_proto.admission import admit
from mycellm_proto.answer import Chunk, Reading, join
from mycellm_proto.codec import decode, encode
from mycellm_proto.content import ChatRequest, Content, FinishReason, ToolMode
from mycellm_proto.content_codec import decode_content
from mycellm_proto.economy import quote_body, read_quote, response_commitment
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.frames import FrameType, Request, decode_frame
from mycellm_proto.framing import RawFrame
from mycellm_proto.hello import VERSION, Session
from mycellm_proto.signed import Context, Signed, digest
from mycellm_proto.ticks import Chain, Meter

from .notation import Inputs, Outcome, accept, named, octets, outcome_of, refused, signed, valued


def content(inputs: Inputs) -> Outcome:
    """The content of a REQUEST."""
    return outcome_of(lambda: accept(request=_shown(decode_content(octets(inputs["hex"])))))


def _shown(request: Content) -> Outcome:
    """Every parameter that is set, under its name; a seed in text, since not every reader has integers of 64 bits."""
    shown: Any = _plain(asdict(request))
    if "seed" in shown.get("sampling", {}):
        shown["sampling"]["seed"] = str(shown["sampling"]["seed"])
    if isinstance(request, ChatRequest) and isinstance(request.tool_choice, ToolMode):
        shown["tool_choice"] = int(request.tool_choice)  # a name is a tool's
    return {"operation": request.operation.name, **shown}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        shown = {name: each for name, each in value.items() if each is not None and (each != () or name == "stop")}
        return {name: _plain(each) for name, each in shown.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.name if isinstance(value, IntEnum) else value


def quote(inputs: Inputs) -> Outcome:
    """A signed quote."""
    provider = bytes.fromhex(inputs["provider"])
    return outcome_of(lambda: accept(fields=named(asdict(read_quote(signed(inputs), provider=provider)))))


def opened(inputs: Inputs) -> Outcome:
    """A REQUEST, admitted or refused as a connection does."""
    session = Session(
        peer=bytes.fromhex(inputs["consumer"]),
        pinned=inputs["pinned"],
        version=VERSION,
        capabilities=frozenset(inputs["capabilities"]),
    )
    offer = Signed.from_value(decode(bytes.fromhex(inputs["offered"])))
    body = bytes.fromhex(inputs["request"])
    try:
        frame = decode_frame(RawFrame(type=FrameType.REQUEST, body=body, size=len(body)))
        assert isinstance(frame, Request)  # by its type
        admitted = admit(
            frame,
            session=session,
            provider=bytes.fromhex(inputs["provider"]),
            offered={offer.digest(Context.QUOTE): (quote_body(offer), offer)},
            now=float(inputs["now"]),
        )
    except RemoteProtocolError as error:
        # What closes a connection elsewhere only refuses the first frame of a request (ERR-006).
        return refused(error) if error.code is not ErrorCode.ENCODING else {"verdict": "reject", "code": "MALFORMED"}
    return accept(sequence=admitted.open.sequence, ceiling=admitted.open.ceiling, ticks=admitted.meter.ticks)


def answer(inputs: Inputs) -> Outcome:
    """CHUNK frames and the reason of END, as the consumer takes them or gives up."""
    return outcome_of(lambda: _read(inputs))


def _read(inputs: Inputs) -> Outcome:
    reading = Reading(decode_content(bytes.fromhex(inputs["content"])))
    chunks = []
    for each in inputs["chunks"]:
        body = bytes.fromhex(each)
        chunk = decode_frame(RawFrame(type=FrameType.CHUNK, body=body, size=len(body)))
        assert isinstance(chunk, Chunk)  # by its type
        reading.take(chunk)
        chunks.append(chunk)
    finish = FinishReason(inputs["finish"])
    reading.end(finish)
    whole, tokens = join(chunks), sum(chunk.tokens for chunk in chunks)
    response = response_commitment(bytes.fromhex(inputs["salt"]), whole, finish, tokens)
    return accept(answer=encode(whole.to_value(finish, tokens)).hex(), response=response.hex())


def commitments(inputs: Inputs) -> Outcome:
    """A hash over a context and items; the content of a request is an item already."""
    context = Context(inputs["context"])
    values = [valued(item) for item in inputs["items"]]
    encoded = [encode(value) for value in values]
    if context is Context.REQUEST:
        encoded[1] = values[1]
    return accept(hash=digest(context, *encoded).hex())


def ticks(inputs: Inputs) -> Outcome:
    """A chain, or a link that is offered."""
    if "seed" in inputs:
        chain = Chain(bytes.fromhex(inputs["seed"]), inputs["length"])
        shown = [{"ticks": k, "link": chain.link(k).hex()} for k in inputs["show"]]
        return accept(anchor=chain.anchor.hex(), links=shown)
    meter = Meter(bytes.fromhex(inputs["anchor"]), inputs["most"])
    meter.release(inputs["released"]["ticks"], bytes.fromhex(inputs["released"]["link"]))

    def derive() -> Outcome:
        meter.release(inputs["offered"]["ticks"], bytes.fromhex(inputs["offered"]["link"]))
        return accept()

    return outcome_of(derive)
