"""The families, in an order in which an implementation can be built."""

from __future__ import annotations

from . import (
    accumulated,
    arguments,
    billing,
    claim,
    close,
    commitments,
    content,
    countersign,
    descriptor,
    encoding,
    exchange,
    exporter,
    frames,
    framing,
    fraud,
    hello,
    invite,
    membership,
    nodeid,
    quote,
    receipts,
    reserve,
    revocation,
    roll,
    signatures,
    signing,
    ticks,
    writing,
)
from . import (
    open as opens,
)
from .family import Family

_MODULES = (
    exporter,
    encoding,
    writing,
    accumulated,
    framing,
    frames,
    signatures,
    signing,
    nodeid,
    hello,
    content,
    quote,
    opens,
    commitments,
    ticks,
    billing,
    close,
    countersign,
    receipts,
    fraud,
    descriptor,
    roll,
    membership,
    invite,
    revocation,
    arguments,
    reserve,
    claim,
    exchange,
)

FAMILIES: dict[str, Family] = {module.FAMILY.name: module.FAMILY for module in _MODULES}
