"""``owner.json`` in the node's home: what the owner changed, so that a restart keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..identity import HomeError, read_secret, replace_secret
from .controls import CONTROLS, read, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OWNER_FILE = "owner.json"
MAX_BYTES = 4 << 20
"""Two full lists of nodes and a full table of what is shared need less."""


def load(home: Path) -> dict[str, object]:
    """The changed controls by name. Raises `HomeError` for a file that cannot be used: it may hold a block list, so
    going on without it would let somebody in.
    """
    path = home / OWNER_FILE
    content = read_secret(path, most=MAX_BYTES)
    if content is None:
        return {}
    try:
        return _changed(json.loads(content))
    except (ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it is not JSON"
        message = f"{path} is damaged: {reason}. Mend it, or remove it: every control then has its setting's value."
        raise HomeError(message) from None


def _changed(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != {"version", "changed"} or value["version"] != 1:
        raise ValueError("it is not what this version writes")
    changed = value["changed"]
    if not isinstance(changed, dict) or not changed.keys() <= set(CONTROLS):
        raise ValueError("it names a control that this version does not have")
    return {name: read(name, each) for name, each in changed.items()}


def save(home: Path, changed: Mapping[str, object]) -> None:
    """Write what is changed, whole or not at all. Raises `HomeError`."""
    value = {"version": 1, "changed": {name: write(changed[name]) for name in CONTROLS if name in changed}}
    replace_secret(home / OWNER_FILE, json.dumps(value, indent=1).encode() + b"\n")
