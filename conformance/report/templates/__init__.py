"""The templates of the views. Everything that they are given is escaped: most of it comes from the target."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from conformance.printable import printable

_MARKS = (
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*([^*]+)\*"), r"<em>\1</em>"),
)


def template(name: str) -> Template:
    """A template of this folder, by its name."""
    return _environment().get_template(name)


def prose(text: str) -> Markup:
    """A sentence of SPEC.md or the page of a case, with their few marks as HTML."""
    escaped = str(escape(printable(text, lines=True)))
    for mark, html in _MARKS:
        escaped = mark.sub(html, escaped)
    return Markup(escaped)  # noqa: S704  escaped above


def visible(text: str) -> str:
    """Text of anybody, with escapes for what would not be seen."""
    return printable(text, lines=True)


def anchor(case: str) -> str:
    """The fragment of a case's place in the page."""
    return f"case-{case.replace('/', '-')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "anchor": anchor, "visible": visible}
    return environment
