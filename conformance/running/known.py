"""Known failures: a file of the implementer's own, strict both ways, whose lines expire."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from conformance.cases.registry import cases
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement

EXAMPLE = '[[case]]\nid = "handshake/reject-silence"\nreason = "…"\nissue = "https://…"\nexpires = 2027-01-31\n'
_KEYS = {"id": str, "reason": str, "issue": str, "expires": date}


class KnownFailingError(ValueError):
    """The file cannot be used. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One case that is known to fail."""

    id: str
    reason: str
    issue: str
    expires: date


def read(path: Path) -> dict[str, Known]:
    """The lines of a file by the ids of their cases. Raises `KnownFailingError`, `OSError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnownFailingError(f"{path}: {error}") from None
    entries = document.get("case", [])
    if set(document) - {"case"} or not isinstance(entries, list):
        raise KnownFailingError(f"{path} holds [[case]] tables and nothing else, such as:\n{EXAMPLE.rstrip()}")
    found = [_known(path, entry) for entry in entries]
    if len({each.id for each in found}) < len(found):
        raise KnownFailingError(f"{path} names a case twice")
    return {each.id: each for each in found}


def _known(path: Path, entry: object) -> Known:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        found = entry if isinstance(entry, dict) else {}
        wrong = [f"lacks {key}" for key in _KEYS if key not in found]
        wrong += [f"has {key}" for key in sorted(set(found) - set(_KEYS))]
        said = f"{found.get('id', 'a case')} {' and '.join(wrong)}"
        raise KnownFailingError(f"{path}: {said}; it takes the keys {', '.join(_KEYS)}:\n{EXAMPLE.rstrip()}")
    for key, kind in _KEYS.items():
        if type(entry[key]) is not kind or not entry[key]:
            raise KnownFailingError(f"{path}: {key} of {entry['id']} is no {kind.__name__}, or empty")
    if entry["id"] not in cases():
        raise KnownFailingError(f"{path}: this suite has no case {entry['id']}; `list` shows all")
    return Known(**entry)


def problems(known: Mapping[str, Known], judgements: Mapping[str, Judgement], today: date) -> Iterator[str]:
    """What is wrong with the file, seen beside a run: cases that pass meanwhile, and lines that have expired."""
    for each in known.values():
        judgement = judgements.get(each.id)
        if each.expires < today:
            yield f"{each.id} is listed as failing until {each.expires}: mend it, or renew the line ({each.issue})"
        elif judgement is not None and judgement.verdict in (Verdict.PASS, Verdict.WARN):
            yield f"{each.id} is listed as failing and passes: take its line out"


def excused(known: Mapping[str, Known], today: date) -> frozenset[str]:
    """Ids of the cases whose failure is expected."""
    return frozenset(each.id for each in known.values() if each.expires >= today)
