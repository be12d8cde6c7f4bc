"""Walls that the import contracts of pyproject.toml cannot express, read from the source."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests.runner import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each ends in the operating system's randomness, which the protocol gets as an argument.
CHANCE = {"generate", "urandom", "randbytes", "token_bytes"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(
    ("package", "others"),
    [("bootstrap", {"bootstrap"}), ("mycellm_proto", {"mycellm_proto", "cryptography", "nacl"})],
)
def test_packages_that_stand_on_the_standard_library(package: str, others: set[str]) -> None:
    foreign = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(package)
        for name in imported(file)
        if name not in sys.stdlib_module_names | others
    }
    assert not foreign


def test_the_protocol_draws_no_randomness() -> None:
    drawn = {
        f"{file.relative_to(ROOT)}:{node.lineno} calls {node.func.attr}"
        for file in modules("mycellm_proto")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANCE
    }
    assert not drawn


@pytest.mark.parametrize("package", ["bootstrap", "conformance", "mycellm_proto"])
def test_imports_are_visible(package: str) -> None:
    """Names that are computed while running would pass under every wall."""
    hidden = {
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in modules(package)
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}
    }
    assert not hidden
