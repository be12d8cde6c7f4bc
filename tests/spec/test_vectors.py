"""The files of the vectors: their form, and that someone else can run them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spec.vectors.generate.families import FAMILIES
from spec.vectors.generate.files import VECTORS

from .schema import problem


def document(folder: str, name: str) -> Any:
    return json.loads((VECTORS / folder / f"{name}.json").read_text(encoding="utf-8"))


def test_families_files_and_the_readme_are_the_same() -> None:
    readme = (VECTORS / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in (VECTORS / "v1").glob("*.json")} == FAMILIES.keys()
    assert {path.stem for path in (VECTORS / "schema").glob("*.json")} == FAMILIES.keys()
    sections = {line.removeprefix("### ") for line in readme.splitlines() if line.startswith("### ")}
    assert sections == FAMILIES.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_the_form_of_its_schema(name: str) -> None:
    vectors = document("v1", name)
    assert problem(vectors, document("schema", name)) is None
    slugs = [case["id"] for case in vectors["cases"]]
    assert len(set(slugs)) == len(slugs)
    assert all(case["requirements"] for case in vectors["cases"])


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"exporter", "accumulated", "commitments", "exchange"}))
def test_a_family_has_cases_of_both_kinds(name: str) -> None:
    verdicts = {case["expect"]["verdict"] for case in document("v1", name)["cases"]}
    assert verdicts == {"accept", "reject"}
    for case in document("v1", name)["cases"]:
        prefix = case["id"].partition("-")[0]
        assert prefix in (case["expect"]["verdict"], "chain"), case["id"]


def test_a_wrong_document_is_found() -> None:
    schema = document("schema", "nodeid")
    vectors = document("v1", "nodeid")
    vectors["cases"][0]["id"] = "Not a slug"
    assert "does not match" in str(problem(vectors, schema))
    vectors["cases"][0] = {"id": "fine"}
    assert "has no requirements" in str(problem(vectors, schema))
