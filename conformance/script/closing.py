"""Ends of an answer, one of them honest: what each `Fault` of a close does to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor, framing, signing
from conformance.dcbor import Item
from conformance.finish import CANCELLED, STOP
from conformance.signing import Key

from .faults import Fault
from .serving import Edit, Serving


def _set(key: int, change: Callable[[Item], Item]) -> Edit:
    return lambda body: body | {key: change(body[key])}


def _flip(value: bytes) -> bytes:
    return bytes((value[0] ^ 1,)) + value[1:]


def _more(key: int, price: int) -> Edit:
    """One token more, and billed."""
    return lambda body: body | {key: body[key] + 1, 6: body[6] + price}


EDITS: Mapping[Fault, Edit] = {
    Fault.CLOSE_MISSING_KEY: lambda body: {key: value for key, value in body.items() if key != 8},
    Fault.CLOSE_UNKNOWN_KEY: lambda body: body | {65: None},
    Fault.CLOSE_UNKNOWN_FINISH: lambda body: body | {7: 8},
    Fault.CLOSE_OF_ANOTHER_OPEN: _set(0, _flip),
    Fault.CLOSE_OF_ANOTHER_REQUEST: _set(1, _flip),
    Fault.CLOSE_OF_ANOTHER_ANSWER: _set(2, _flip),
    Fault.CLOSE_OF_ANOTHER_MODEL: _set(3, _flip),
    Fault.CLOSE_MORE_INPUT: _more(4, 1),
    Fault.CLOSE_MORE_OUTPUT: _more(5, 4),
    Fault.CLOSE_TOTAL_ONE_MORE: _set(6, lambda total: total + 1),
    Fault.CLOSE_TOTAL_ONE_LESS: _set(6, lambda total: total - 1),
    Fault.CLOSE_A_MILLION: _set(6, lambda _: 1_000_000_000_000),
}
"""What is changed in the body before it is signed."""


def end_with(fault: Fault, serving: Serving) -> None:
    """END as the fault has it. Raises `KeyError` for a fault that is of no close."""
    if fault in EDITS:
        serving.end(edit=EDITS[fault])
    elif fault is Fault.CLOSE_CANCELLED_BY_NOBODY:
        owed = serving.quote.owed(serving.input_tokens or 0, serving.tokens)
        serving.end(CANCELLED, edit=lambda body: body | {6: owed})
    elif fault is Fault.CLOSE_OTHER_SALT:
        serving.end(salt=bytes(32))
    else:
        salt = serving.side.session.entropy.take(32)
        serving.write(framing.END, {0: salt, 1: SIGNED[fault](serving, serving.bill(STOP, salt))}, fin=True)


def _unordered(serving: Serving, body: dict[int, Item]) -> list[bytes]:
    head = dcbor.encode({key: body[key] for key in range(7)})[1:]
    encoded = bytes((0xA9,)) + head + b"".join(dcbor.encode(key) + dcbor.encode(body[key]) for key in (8, 7))
    return [encoded, serving.side.session.key.sign(signing.CLOSE, encoded)]


def _nan(serving: Serving, body: dict[int, Item]) -> list[bytes]:
    """A float that is no number, where the total belongs: it is neither less than anything nor more."""
    parts = [dcbor.encode(key) + (b"\xf9\x7e\x00" if key == 6 else dcbor.encode(body[key])) for key in range(9)]
    encoded = b"\xa9" + b"".join(parts)
    return [encoded, serving.side.session.key.sign(signing.CLOSE, encoded)]


SIGNED: Mapping[Fault, Callable[[Serving, dict[int, Item]], Item]] = {
    Fault.CLOSE_NOT_DETERMINISTIC: _unordered,
    Fault.CLOSE_OF_NO_NUMBER: _nan,
    Fault.CLOSE_SIGNATURE_EMPTY: lambda _, body: [dcbor.encode(body), bytes(64)],
    Fault.CLOSE_SIGNED_BY_ANOTHER_KEY: lambda serving, body: Key(serving.side.session.entropy.take(32)).signed(
        signing.CLOSE, body
    ),
    Fault.CLOSE_SIGNED_IN_ANOTHER_CONTEXT: lambda serving, body: serving.side.session.key.signed(
        signing.COUNTERSIGN, body
    ),
    Fault.ANSWER_END_NOT_SIGNED_OBJECT: lambda _, body: body,
}
"""The signed object in its place."""
