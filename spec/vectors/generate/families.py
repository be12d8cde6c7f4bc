"""The families, in an order in which an implementation can be built."""

from __future__ import annotations

from . import (
    accumulated,
    answer,
    billing,
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
    answer,
    ticks,
    billing,
    close,
    countersign,
    receipts,
    fraud,
    exchange,
)

FAMILIES: dict[str, Family] = {module.FAMILY.name: module.FAMILY for module in _MODULES}
