"""The reference node before the suite: in both roles through its adapter, and with its real model on the network."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conformance.cli import main

ADAPTER = f"{sys.executable} -m reference_node.adapter"


def verdict(folder: Path, *arguments: str) -> dict[str, object]:
    """Run the command line with a report; the document."""
    status = main(["run", *arguments, "--report", str(folder / "report")])
    document: dict[str, object] = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    bad = [each for each in document["cases"] if each["verdict"] not in ("pass", "warn", "not-applicable")]  # type: ignore[attr-defined]
    assert not bad, [(each["id"], each["verdict"], each["findings"]) for each in bad]
    assert status == 0
    return document


@pytest.mark.timeout(120)
def test_the_node_is_conformant_in_both_roles_on_the_smoke_tier(tmp_path: Path) -> None:
    document = verdict(tmp_path, "--adapter", ADAPTER, "--tier", "smoke")
    assert (document["verdict"], document["set"]) == ("CONFORMANT", "node")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_node_is_conformant_in_both_roles_on_the_full_tier(tmp_path: Path) -> None:
    document = verdict(tmp_path, "--adapter", ADAPTER, "--tier", "full")
    assert (document["verdict"], document["set"]) == ("CONFORMANT", "node")
