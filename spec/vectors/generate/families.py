"""The families, in the order of SPEC.md."""

from __future__ import annotations

from . import (
    accumulated,
    close,
    commitments,
    content,
    countersign,
    encoding,
    exchange,
    exporter,
    frames,
    framing,
    fraud,
    hello,
    nodeid,
    quote,
    receipts,
    signatures,
    ticks,
)
from . import (
    open as opens,
)
from .family import Family

_MODULES = (
    exporter,
    encoding,
    accumulated,
    framing,
    frames,
    signatures,
    nodeid,
    hello,
    content,
    quote,
    opens,
    commitments,
    ticks,
    close,
    countersign,
    receipts,
    fraud,
    exchange,
)

FAMILIES: dict[str, Family] = {module.FAMILY.name: module.FAMILY for module in _MODULES}
