"""Drivers that do not do what they should: ``python bad_driver.py MODE [FAMILY …]``; standard library alone."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

MODE, *FAMILIES = sys.argv[1:]


def hello() -> dict[str, Any]:
    return {"protocol": 1, "name": MODE, "language": "Python", "families": FAMILIES}


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def declared(mode: str) -> object:
    """The answer to hello."""
    lives = Path(os.environ.get("LIVES", os.devnull))
    match mode:
        case "newer":
            return {**hello(), "protocol": 2}
        case "nameless":
            return {"protocol": 1, "families": FAMILIES}
        case "list":
            return [1]
        case "fickle" if lives.exists() and lives.read_text(encoding="utf-8"):
            return {**hello(), "name": "another"}
        case "fickle":
            lives.write_text("once", encoding="utf-8")
    return hello()


ANSWERS: dict[str, Any] = {
    "accept-all": lambda line: {"id": line["id"], "outcome": {"verdict": "accept"}},
    "reject-all": lambda line: {"id": line["id"], "outcome": {"verdict": "reject", "code": "ENCODING"}},
    "echo": lambda line: {"id": line["id"], "outcome": line["inputs"]},
    "echo-line": lambda line: line,
    "unsupported": lambda line: {"id": line["id"], "unsupported": True},
    "wrong-id": lambda _: {"id": "0", "outcome": {"verdict": "accept"}},
    "shapeless": lambda line: {"id": line["id"], "outcome": "accept"},
    "talkative": lambda line: {"id": line["id"], "outcome": {"verdict": "accept"}, "time": 1},
}
"""What is answered to a case of a family that was declared."""


def derived(mode: str, line: dict[str, Any]) -> object:
    """The answer to a case, or what happens instead."""
    if mode in ANSWERS:
        return ANSWERS[mode](line)
    match mode:
        case "mute":
            time.sleep(600)
        case "no-json":
            print("oops", flush=True)
            return None
        case "flood":
            print("x" * (5 << 20), end="", flush=True)
        case "dies" | "fickle":
            print("I am dying", file=sys.stderr)
            sys.exit(3)
        case "dies-of-unicode" if not line["inputs"].get("text", "").isascii():
            os.abort()
    return {"id": line["id"], "outcome": {"verdict": "reject"}}


def known(mode: str, family: str) -> bool:
    """Whether a family is answered."""
    return family in FAMILIES or mode == "knows-everything" or (mode == "knows-more" and "-" not in family)


def main() -> None:
    if MODE == "gone":
        sys.exit(7)
    for text in sys.stdin:
        line = json.loads(text)
        if MODE == "silent":
            continue
        if MODE == "echo-all":
            say(line)
        elif line["verb"] == "hello":
            say(declared(MODE))
        elif line["verb"] != "derive" and MODE == "knows-every-verb":
            say({"id": line["id"], "outcome": {}})
        elif not known(MODE, line.get("family", "")):
            say({"id": line["id"], "unsupported": True})
        elif (answer := derived(MODE, line)) is not None:
            say(answer)
    if MODE == "lingers":
        time.sleep(600)


main()
