"""The files of the vectors: their form, and that someone else can run them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from spec.vectors.generate.families import FAMILIES
from spec.vectors.generate.files import VECTORS
from spec.vectors.generate.readme import listed

from .schema import problem

ONE_KIND = {"exporter", "accumulated", "signing", "commitments", "billing", "exchange"}
"""Families that only derive: nothing is rejected."""


def document(folder: str, name: str) -> Any:
    return json.loads((VECTORS / folder / f"{name}.json").read_text(encoding="utf-8"))


def test_every_family_has_its_cases_schema_and_readme() -> None:
    assert {path.stem for path in (VECTORS / "v1").glob("*.json")} == FAMILIES.keys()
    assert {path.stem for path in (VECTORS / "v1").glob("*.md")} == FAMILIES.keys()
    assert {path.stem for path in (VECTORS / "schema").glob("*.json")} == FAMILIES.keys() | {"driver"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_the_form_of_its_schema(name: str) -> None:
    vectors = document("v1", name)
    assert problem(vectors, document("schema", name)) is None
    slugs = [case["id"] for case in vectors["cases"]]
    assert len(set(slugs)) == len(slugs)
    assert all(case["requirements"] for case in vectors["cases"])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_readme_has_all_that_a_verifier_is_told(name: str) -> None:
    text = " ".join((VECTORS / "v1" / f"{name}.md").read_text(encoding="utf-8").split())
    vectors = document("v1", name)
    assert vectors["verification"]
    for sentence in (vectors["description"], *vectors["notes"], *vectors["verification"]):
        assert " ".join(sentence.split()) in text
    inputs = {key for case in vectors["cases"] for key in case} - {"id", "requirements", "intermediate", "expect"}
    assert all(f"`{key}`" in text for key in inputs)


def test_a_copy_of_the_folder_is_whole(tmp_path: Path) -> None:
    """No link of a README leads out of it, and no sentence sends its reader elsewhere for what a case means."""
    copy = shutil.copytree(VECTORS, tmp_path / "vectors", ignore=shutil.ignore_patterns("generate", "__*"))
    for readme in copy.rglob("*.md"):
        text = readme.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert (readme.parent / target).resolve().is_relative_to(copy), target
            assert (readme.parent / target).is_file(), target
        assert not re.findall(r"spec/(?!vectors/README\.md)\S+", text)


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - ONE_KIND))
def test_a_family_has_cases_of_both_kinds(name: str) -> None:
    verdicts = {case["expect"]["verdict"] for case in document("v1", name)["cases"]}
    assert verdicts == {"accept", "reject"}
    for case in document("v1", name)["cases"]:
        rejected = case["expect"]["verdict"] == "reject"
        assert case["id"].startswith("reject-") is rejected, case["id"]


def test_a_list_of_families_stands_between_its_markers_only() -> None:
    with pytest.raises(ValueError, match="lacks <!-- families -->"):
        listed("# Test vectors\n", FAMILIES.values())


def test_a_wrong_document_is_found() -> None:
    schema = document("schema", "nodeid")
    vectors = document("v1", "nodeid")
    vectors["cases"][0]["id"] = "Not a slug"
    assert "does not match" in str(problem(vectors, schema))
    vectors["cases"][0] = {"id": "fine"}
    assert "has no requirements" in str(problem(vectors, schema))
