"""The reference node before the suite: in both roles through its adapter, and with its real model on the network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main

ADAPTER = f"{sys.executable} -m reference_node.adapter"


def verdict(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the command line with a report; the document."""
    main(["run", *arguments, "--report", str(folder)])
    document: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return document


def conformant(folder: Path, *arguments: str) -> bool:
    """Whether the verdict is CONFORMANT; what did not pass on a busy machine has to when it is run once more alone."""
    document = verdict(folder / "first", *arguments)
    assert document["set"] == "node"
    bad = [each for each in document["cases"] if each["verdict"] not in ("pass", "warn", "not-applicable")]
    if not bad:
        return bool(document["verdict"] == "CONFORMANT")
    assert len(bad) < 5, [(each["id"], each["verdict"], each["findings"]) for each in bad]
    again = [word for each in bad for word in ("--filter", each["id"])]
    second = verdict(folder / "second", *arguments, *again)
    return bool(second["verdict"] == "CONFORMANT")


@pytest.mark.timeout(120)
def test_the_node_is_conformant_in_both_roles_on_the_smoke_tier(tmp_path: Path) -> None:
    assert conformant(tmp_path, "--adapter", ADAPTER, "--tier", "smoke")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_node_is_conformant_in_both_roles_on_the_full_tier(tmp_path: Path) -> None:
    assert conformant(tmp_path, "--adapter", ADAPTER, "--tier", "full")
