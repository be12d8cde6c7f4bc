"""The lines of a driver, version 1: spec/vectors/schema/driver.json."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from .families import FAMILIES

_PROTOCOL = 1


def serve(lines: Iterable[str], out: TextIO) -> None:
    """Answer every line with one line."""
    for line in lines:
        out.write(json.dumps(answer(json.loads(line))) + "\n")
        out.flush()


def answer(line: dict[str, Any]) -> dict[str, Any]:
    """The answer to one line."""
    if line["verb"] == "hello":
        return {"protocol": _PROTOCOL, "name": "mycellm_proto", "language": "Python", "families": list(FAMILIES)}
    if line["verb"] != "derive" or line["family"] not in FAMILIES:
        return {"id": line["id"], "unsupported": True}
    return {"id": line["id"], "outcome": FAMILIES[line["family"]](line["inputs"])}
