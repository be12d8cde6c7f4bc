"""Writes a report into a folder: the document, the transcripts it rests on, and the views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from conformance.running.matrix import Kill
from conformance.running.run import Run
from conformance.wire.transcript import dump

from .badge import badge
from .document import Document, ReportError, document, file_name
from .facts import Facts
from .junit import junit
from .page import page

_OURS = frozenset({"report.json", "index.html", "junit.xml", "badge.svg", "transcripts"})


def prepare(folder: Path) -> None:
    """Make sure that a report may be written there. Raises `ReportError` for a folder that holds something else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {each.name for each in folder.iterdir()}
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}") from None
    if names - _OURS and "report.json" not in names:
        raise ReportError(f"{folder} is not empty, and what is in it is no report")


def write(folder: Path, run: Run, facts: Facts, *, kills: Sequence[Kill] = ()) -> Document:
    """Write the report of a run in place of the one that is there.

    Raises `ReportError` where the document is not as its schema says, before anything is written, and where it cannot
    be written.
    """
    made = document(run, facts)
    prepare(folder)
    transcripts = {case: judgement.transcript for case, judgement in run.judgements.items()}
    try:
        (folder / "transcripts").mkdir(exist_ok=True)
        for old in (folder / "transcripts").glob("*.ndjson"):
            old.unlink()
        for case, transcript in transcripts.items():
            _write(folder / file_name(case), dump(transcript))
        _write(folder / "report.json", text(made))
        _write(folder / "index.html", page(made, transcripts, kills))
        _write(folder / "junit.xml", junit(made))
        _write(folder / "badge.svg", badge(made))
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}") from None
    return made


def text(made: Document) -> str:
    """The document as it is written."""
    return json.dumps(made, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
