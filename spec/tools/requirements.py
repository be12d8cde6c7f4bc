"""The requirements of SPEC.md and their lock.

A requirement is a list item: ``- The ACTOR KEYWORD …. [FRM-005~1 wire]``. Its line in spec/requirements.lock holds
id~revision, keyword, actor, how it can be observed, and the beginning of the SHA-256 of its sentence, so that nobody
changes what a citation means without a new revision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

ACTORS = (
    "writer", "reader", "sender", "receiver", "initiator", "responder", "consumer", "provider", "node", "verifier",
    "caller", "callee", "member", "authority", "settlement node",
)  # fmt: skip
OBSERVED = ("vector", "wire", "adapter", "differential", "model", "audit", "none")

_KEYWORD = re.compile(r"\b(?:MUST|SHOULD)(?: NOT)?\b|\bMAY\b")
_MARK = re.compile(r" \[(?P<name>[A-Z]{3}-\d{3})~(?P<revision>[1-9]\d*) (?P<observed>\w+)(?P<reason>: [^\]]+)?\]$")
_FORM = re.compile(rf"The (?P<actor>{'|'.join(ACTORS)}) (?P<keyword>{_KEYWORD.pattern}) .*\.", re.DOTALL)
_RETIRED = "retired"
_HEAD = """\
# Every requirement of SPEC.md: id~revision, keyword, actor, how it can be observed, SHA-256 of its sentence (start).
# `python3 -m spec` writes this file; of its lines, people write only those that end with `retired`.
"""


class RequirementError(ValueError):
    """SPEC.md or its lock breaks a rule; the text says which, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement. ``digest`` is 16 hex digits."""

    name: str
    revision: int
    keyword: str
    actor: str
    observed: str
    digest: str
    section: str = ""
    """Where it stands in SPEC.md; a lock does not know, nor what follows."""
    sentence: str = ""
    reason: str = ""
    """Why nothing shows whether it is kept, where nothing does."""

    @property
    def citation(self) -> str:
        """How others cite it: FRM-005~1."""
        return f"{self.name}~{self.revision}"

    @property
    def line(self) -> str:
        """Its line of the lock."""
        words = (
            self.citation,
            self.keyword.replace(" ", "-"),
            self.actor.replace(" ", "-"),
            self.observed,
            self.digest,
        )
        return " ".join(words)


def parse(text: str) -> dict[str, Requirement]:
    """The requirements in ``text`` by id. Raises `RequirementError` for all sentences that break the form."""
    found: dict[str, Requirement] = {}
    problems = []
    for section, item in _items(text):
        try:
            requirement = _requirement(section, item)
        except RequirementError as problem:
            problems.append(str(problem))
            continue
        if requirement is None:
            continue
        if requirement.name in found:
            problems.append(f"{requirement.name} stands at two sentences; ids are never used twice")
        found[requirement.name] = requirement
    if problems:
        raise RequirementError("\n".join(problems))
    return found


def _items(text: str) -> Iterator[tuple[str, str]]:
    """List items outside of code, each on one line, with the section that they stand in."""
    item: str | None = None
    code = False
    section = ""
    for line in text.splitlines():
        code ^= line.startswith("```")
        starts = line.startswith("- ") and not code
        if item is not None and (starts or not line.startswith("  ")):
            yield section, item
            item = None
        if line.startswith("## ") and not code:
            section = line[3:].strip()
        if starts:
            item = line[2:].strip()
        elif item is not None:
            item += " " + line.strip()
    if item is not None:
        yield section, item


def _requirement(section: str, item: str) -> Requirement | None:
    mark = _MARK.search(item)
    keywords = _KEYWORD.findall(item)
    if mark is None:
        if keywords:
            raise RequirementError(f"an item with {keywords[0]} has no [id~revision observed] at its end: {item[:70]}")
        return None
    name, sentence = mark["name"], " ".join(item[: mark.start()].split())
    form = _FORM.fullmatch(sentence)
    if form is None or len(keywords) != 1:
        raise RequirementError(f"{name} is not `The ACTOR KEYWORD ….` with one keyword: {sentence[:70]}")
    if mark["observed"] not in OBSERVED or (mark["observed"] == "none") is not bool(mark["reason"]):
        raise RequirementError(f"{name} is observed by one of {', '.join(OBSERVED)}, and `none` alone has a reason")
    return Requirement(
        name=name,
        revision=int(mark["revision"]),
        keyword=form["keyword"],
        actor=form["actor"],
        observed=mark["observed"],
        digest=hashlib.sha256(sentence.encode()).hexdigest()[:16],
        section=section,
        sentence=sentence,
        reason=(mark["reason"] or "").removeprefix(": "),
    )


def write_sentences(found: Mapping[str, Requirement]) -> str:
    """What the lock does not hold, for those who have no SPEC.md at hand: spec/sentences.json."""
    entries = {
        each.citation: {"section": each.section, "sentence": each.sentence}
        | ({"reason": each.reason} if each.reason else {})
        for each in sorted(found.values(), key=lambda each: each.citation)
    }
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What the lock holds: requirements by id, and ids that are never used again."""

    current: Mapping[str, Requirement]
    retired: frozenset[str]


def read_lock(text: str) -> Lock:
    """Take a lock apart. Raises `RequirementError` for a line that is none."""
    current: dict[str, Requirement] = {}
    retired = set()
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) == 2 and words[1] == _RETIRED:
            retired.add(words[0])
        elif len(words) == 5 and "~" in words[0]:
            name, _, revision = words[0].partition("~")
            keyword, actor = words[1].replace("-", " "), words[2].replace("-", " ")
            current[name] = Requirement(
                name=name, revision=int(revision), keyword=keyword, actor=actor, observed=words[3], digest=words[4]
            )
        else:
            raise RequirementError(f"spec/requirements.lock has a line that is none: {line}")
    return Lock(current=current, retired=frozenset(retired))


def write_lock(found: Mapping[str, Requirement], before: Lock) -> str:
    """The new lock. Raises `RequirementError` where a sentence drifted away from its revision, or an id is gone."""
    problems = list(_drift(found, before))
    if problems:
        raise RequirementError("\n".join(problems))
    lines = [requirement.line for requirement in found.values()] + [f"{name} {_RETIRED}" for name in before.retired]
    return _HEAD + "\n".join(sorted(lines)) + "\n"


def _drift(found: Mapping[str, Requirement], before: Lock) -> Iterator[str]:
    for name, old in before.current.items():
        new = found.get(name)
        if new is None:
            yield (
                f"{name} is no longer in SPEC.md. Ids are never used again: in spec/requirements.lock, put"
                f" `{name} {_RETIRED}` in place of its line."
            )
        elif new.revision < old.revision:
            yield f"{name} went back from revision {old.revision} to {new.revision}; revisions only grow."
        elif new.revision == old.revision and new.digest != old.digest:
            yield (
                f"{new.citation} has another text than its lock knows. If its meaning changed, make it"
                f" {name}~{old.revision + 1} in SPEC.md and in whatever cites it. If only its wording did, delete its"
                f" line from spec/requirements.lock. Then run `python3 -m spec`."
            )
    for name in before.retired & found.keys():
        yield f"{name} is retired, and SPEC.md uses it again: take a new id."


def unknown(cited: Iterable[str], found: Mapping[str, Requirement]) -> list[str]:
    """Citations (``FRM-005~1`` or ``FRM-005``) of no requirement, or of another revision."""
    known = set(found) | {requirement.citation for requirement in found.values()}
    return sorted(set(cited) - known)
