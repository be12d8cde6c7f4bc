"""Predicates of the family ``honesty``."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import dcbor, framing, shapes
from conformance.data import error_name

from .exchange import exchanges
from .expect import POLICY
from .finding import Finding, Verdict
from .record import LinkRecord, Record


def keeps_its_word(record: Record) -> Iterator[Finding]:
    """A request for what was offered is answered, or refused for a reason of the provider's state or policy."""
    for exchange in exchanges(record):
        error = exchange.error
        if error is None and exchange.countersign is None:
            yield Finding(verdict=Verdict.FAIL, message="the request for an offered model came to no end")
        elif error is not None:
            name = error_name(error.get(0)) if isinstance(error.get(0), int) else "no code"
            verdict = Verdict.UNTESTABLE if name in POLICY else Verdict.FAIL
            message = f"what the target declares and quotes is refused with {name}"
            yield Finding(verdict=verdict, message=message, event=error.event, lift=POLICY.get(name, ""))


def keeps_its_key(record: Record) -> Iterator[Finding]:
    """Every HELLO of the target names the same key, and over its own binding."""
    keys = {key for link in record.links if (key := node_key(link)) is not None}
    if len(keys) > 1:
        shown = ", ".join(sorted(key.hex()[:16] for key in keys))
        yield Finding(verdict=Verdict.FAIL, message=f"the connections prove different keys: {shown}")
    if len({link.binding for link in record.links}) < len(record.links):
        yield Finding(verdict=Verdict.HARNESS_ERROR, message="two connections have one channel binding")


def node_key(link: LinkRecord) -> bytes | None:
    """The key that the target's HELLO names; None where there is no HELLO of its shape."""
    first = next(link.of("target", link.target_control), None)
    if first is None or first.kind != framing.HELLO or not shapes.is_signed(first.value):
        return None
    try:
        body = dcbor.decode(first.value[0])
    except dcbor.NotDeterministicError:
        return None
    rule = "hello-responder" if link.initiates else "hello-initiator"
    key: bytes | None = body[1] if shapes.broken(rule, body) is None else None
    return key
