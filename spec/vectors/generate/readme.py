"""What people read of a family: its README, and its line in the list of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import fill

from .family import Family, Json

_BEGIN, _END = "<!-- families -->\n", "<!-- /families -->"
_WIDTH = 118


def family_readme(family: Family) -> str:
    """The text of ``v1/FAMILY.md``."""
    cases = family.cases()
    cited = sorted({str(name).partition("~")[0] for each in cases for name in _listed(each["requirements"])})
    keys = [f"`{name}`" for name in family.schema if name not in ("expect", "intermediate")]
    derived = [f"`{name}`" for name in dict.fromkeys(_derived(cases))]
    parts = [
        f"# {family.name}",
        _filled(family.description),
        _filled(
            f"{len(cases)} cases in [{family.name}.json]({family.name}.json), of the form that"
            f" [its schema](../schema/{family.name}.json) has. They show {', '.join(cited)}."
        ),
        "## A case",
        _filled(f"Inputs: {', '.join(keys)}. Outcome: {', '.join(derived)}."),
        "\n".join(_bullets(family.notes)),
        "## Verification",
        "\n".join(_bullets(family.verification)),
    ]
    return "\n\n".join(parts) + "\n"


def listed(readme: str, families: Iterable[Family]) -> str:
    """``readme`` with the list of all families made anew between its markers. Raises `ValueError` without them."""
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"spec/vectors/README.md lacks {_BEGIN.strip()} or {_END}")
    rows = ["| family | cases | what |", "| --- | --- | --- |"]
    rows += [f"| [{each.name}](v1/{each.name}.md) | {len(each.cases())} | {each.description} |" for each in families]
    return before + begin + "\n".join(rows) + "\n" + end + after


def _derived(cases: list[dict[str, Json]]) -> Iterator[str]:
    for each in cases:
        expect = each["expect"]
        assert isinstance(expect, dict)  # by its schema
        yield from expect


def _listed(value: Json) -> list[Json]:
    assert isinstance(value, list)  # by its schema
    return value


def _filled(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _bullets(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield fill(
            text, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
