"""The CDDL rules: one file each, put together in the order in which they need each other."""

from __future__ import annotations

import re
from pathlib import Path

CDDL = Path(__file__).resolve().parent.parent / "cddl"
_NAME = re.compile(r"(?<![\w-])[a-z][a-z0-9-]*(?![\w-])")
_COMMENT = re.compile(r";.*")
_FIELD = re.compile(r"^\s+\??\s*(\d+): [^;]*; (\w+)", re.MULTILINE)


def rules() -> dict[str, str]:
    """The text of every rule, by its name. Raises `ValueError` where a file holds another rule than its name's."""
    found = {}
    for path in sorted(CDDL.glob("*.cddl")):
        text = path.read_text(encoding="utf-8")
        defined = re.findall(r"^([a-z][a-z0-9-]*)(?:<\w+>)? = ", text, re.MULTILINE)
        if defined != [path.stem]:
            raise ValueError(f"{path.name} defines {defined}, and not just {path.stem}")
        found[path.stem] = text
    return found


def grammar(root: str, *, plain: bool = False) -> str:
    """``root`` and every rule that it needs, root first. ``plain`` leaves out what pycddl 0.6 cannot judge.

    That is ``.cbor`` and generics within an array, so that the bodies of signed objects are judged on their own, and a
    range with a negative bound.
    """
    texts = rules()
    order: list[str] = []

    def visit(name: str) -> None:
        if name in texts and name not in order:
            order.append(name)
            for needed in _NAME.findall(_COMMENT.sub("", texts[name])):
                visit(needed)

    visit(root)
    text = "\n".join(texts[name] for name in order)
    if plain:
        text = re.sub(r"signed-object<[a-z-]+>", "signed-object", text)
        text = text.replace("bstr .cbor body", "bstr").replace("-2000000..2000000", "int")
    return text


def field_names(rule: str) -> dict[int, str]:
    """The name of each key of a map rule: the first word of its comment."""
    return {int(key): name for key, name in _FIELD.findall(rules()[rule])}
