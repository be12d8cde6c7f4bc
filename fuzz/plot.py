"""A plot as SVG text: small, the same bytes for the same numbers, and readable on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 300, 200
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 34, 12, 38
_COLOURS = ("#1b6ca8", "#c1432e", "#6b7280")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines over a common axis: ``marks`` name the points; ``lines`` have a name and as many values."""

    title: str
    axis: str
    marks: tuple[str, ...]
    lines: tuple[tuple[str, tuple[float | None, ...]], ...]
    top: float


def svg(panels: list[Panel]) -> str:
    """All panels beside each other."""
    width = WIDTH * len(panels)
    body = "".join(_panel(panel, WIDTH * n) for n, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="10">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>\n{body}</svg>\n'
    )


def _panel(panel: Panel, offset: int) -> str:
    across, down = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    count = max(1, len(panel.marks) - 1)
    base = _TOP + down

    def at(n: int, value: float) -> str:
        return f"{offset + _LEFT + across * n / count:.1f},{base - down * value / panel.top:.1f}"

    parts = [_text(offset + _LEFT, 14, panel.title, weight="bold")]
    for value in (0.0, panel.top / 2, panel.top):
        x, y = at(0, value).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{offset + WIDTH - _RIGHT}" y2="{y}" stroke="#d1d5db"/>\n')
        parts.append(_text(offset + _LEFT - 4, float(y) + 3, f"{value:g}", anchor="end"))
    for n, mark in enumerate(panel.marks):
        if mark:
            parts.append(_text(float(at(n, 0).split(",")[0]), base + 13, mark, anchor="middle"))
    parts.append(_text(offset + _LEFT + across / 2, HEIGHT - 8, panel.axis, anchor="middle"))
    for n, (name, values) in enumerate(panel.lines):
        points = " ".join(at(index, value) for index, value in enumerate(values) if value is not None)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[n]}" stroke-width="2"/>\n')
        parts.append(_text(offset + _LEFT + 110 * n, 27, name, colour=_COLOURS[n]))
    return "".join(parts)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#111827"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>\n"
