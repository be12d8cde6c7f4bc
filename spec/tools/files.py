"""Generated files: written, or compared with what is there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_SHOWN = 60
"""Lines of a difference that are printed; the rest is as stale."""


def settle(files: Mapping[Path, str], *, check: bool) -> list[str]:
    """Write every file whose text is another than that on disk, or with ``check`` only say so: lines for people."""
    said: list[str] = []
    for path, text in files.items():
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before == text:
            continue
        name = path.relative_to(ROOT).as_posix()
        if check:
            said.append(f"{name} is stale; `python3 -m spec` writes it anew")
            said += _difference(name, before, text)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            said.append(f"wrote {name}")
    return said


def _difference(name: str, before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (on disk)", f"{name} (generated)", lineterm="", n=1
    )
    shown = [line if len(line) <= 160 else f"{line[:157]}..." for line in lines]
    return shown[:_SHOWN] + ["…"] * (len(shown) > _SHOWN)
