"""The registries: read, and shown as tables."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REGISTRIES = Path(__file__).resolve().parent.parent / "registries"


def load(name: str) -> dict[str, Any]:
    """The registry ``name``: its title, its rule and its entries."""
    return tomllib.loads((REGISTRIES / f"{name}.toml").read_text(encoding="utf-8"))


def table(path: Path) -> str:
    """The registry at ``path`` in Markdown. One without entries is a row of its own numbers."""
    registry = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = registry.get("entry") or [{k: v for k, v in registry.items() if k not in ("title", "rule")}]
    columns = list(entries[0])
    for entry in entries:
        if list(entry) != columns:
            raise ValueError(f"{path.name}: {entry} has other keys than the first entry")
    lines = [_row(column.replace("_", " ") for column in columns), _row("---" for _ in columns)]
    lines += [_row(_cell(column, entry[column]) for column in columns) for entry in entries]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(column: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if value >= 10_000 else str(value)
    text = str(value).replace("|", "\\|")
    return f"`{text}`" if column in ("name", "rule", "preimage") or (column == "value" and "/" in text) else text
