"""The badge: one small picture with the verdict and what it covers."""

from __future__ import annotations

from .document import Document
from .templates import template

_COLOURS = {"CONFORMANT": "#1a7f4b", "NOT FULLY VERIFIED": "#8a5a00", "NOT CONFORMANT": "#b3261e"}
_PADDING = 9


def badge(report: Document) -> str:
    """The badge of a report, as SVG."""
    left = f"mycellm {report['spec']['version']}"
    covers = [report["set"], report["suite"]["tier"], *(["filtered"] if report["suite"]["filters"] else [])]
    right = f"{report['verdict']} · {' · '.join(covers)}"
    widths = [round(_width(text)) + 2 * _PADDING for text in (left, right)]
    colour = _COLOURS[report["verdict"]]
    return template("badge.svg").render(left=left, right=right, widths=widths, padding=_PADDING, colour=colour)


def _width(text: str) -> float:
    """About how wide 11 pixels of a common sans serif are; the picture fits the text into it."""
    return sum(4.0 if each in " .·il1-" else 8.0 if each.isupper() else 6.6 for each in text)
