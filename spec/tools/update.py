"""Everything that is generated, in the order in which it depends on each other: vectors, SPEC.md, lock, sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from spec.vectors.generate.files import VECTORS, produced

from .citations import cited_in_code, cited_in_registries
from .files import ROOT, settle
from .fill import MarkerError, fill, without_generated
from .requirements import Lock, Requirement, RequirementError, parse, read_lock, unknown, write_lock, write_sentences

SPEC = ROOT / "SPEC.md"
LOCK = ROOT / "spec" / "requirements.lock"
SENTENCES = ROOT / "spec" / "sentences.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was written or is stale, and what breaks a rule, as lines for people."""

    lines: tuple[str, ...]
    failed: bool


def update(*, check: bool) -> Report:
    """Write what is generated, or with ``check`` say what is stale. Broken rules fail either way."""
    lines = settle(produced(), check=check)
    text = SPEC.read_text(encoding="utf-8")
    problems: list[str] = []
    try:
        lines += settle({SPEC: fill(text)}, check=check)
        found = parse(without_generated(text))
        lines += settle({LOCK: write_lock(found, _locked()), SENTENCES: write_sentences(found)}, check=check)
        problems += _citations(found)
    except (MarkerError, RequirementError) as problem:
        problems.append(str(problem))
    return Report(lines=(*lines, *problems), failed=bool(problems) or (check and bool(lines)))


def _locked() -> Lock:
    return read_lock(LOCK.read_text(encoding="utf-8") if LOCK.is_file() else "")


def _citations(found: dict[str, Requirement]) -> Iterator[str]:
    """Citations of nothing, and requirements that vectors should show and do not."""
    in_vectors = cited_in_vectors()
    for where, cited in (
        ("mycellm_proto", cited_in_code()),
        ("spec/registries", cited_in_registries()),
        ("spec/vectors", in_vectors),
    ):
        for name in unknown(cited, found):
            yield f"{where} cites {name}, which SPEC.md does not have"
    for requirement in found.values():
        if requirement.observed == "vector" and requirement.citation not in in_vectors:
            yield f"{requirement.citation} is observed by vectors, and no case of spec/vectors/v1 cites it"


def cited_in_vectors() -> set[str]:
    """What the vectors on disk cite, with revisions."""
    cited: set[str] = set()
    for path in sorted((VECTORS / "v1").glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            cited |= set(case["requirements"])
    return cited
