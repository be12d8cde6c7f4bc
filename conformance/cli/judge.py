"""`judge`: the verdict of a recorded transcript, without a node."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from conformance.cases.registry import cases
from conformance.judge.judge import judge
from conformance.wire.transcript import TranscriptError, load

from .exits import exit_status, usage
from .text import judgement_lines


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("judge", help="judge a recorded transcript again, without a node")
    parser.add_argument("file", type=Path, metavar="FILE", help="a transcript (NDJSON), as --report writes them")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    try:
        transcript = load(options.file.read_text(encoding="utf-8"))
    except (OSError, TranscriptError, UnicodeDecodeError) as error:
        return usage(f"{options.file}: {error}")
    case = cases().get(str(transcript.header.get("case")))
    if case is None:
        return usage(f"{options.file} is of the case {transcript.header.get('case')!r}, which this suite does not have")
    judgement = judge(case, transcript)
    if options.json:
        findings = [
            {"verdict": each.verdict, "message": each.message, "requirements": each.requirements, "event": each.event}
            for each in judgement.findings
        ]
        print(json.dumps({"case": case.id, "verdict": judgement.verdict, "findings": findings}, indent=1))
    else:
        print("\n".join(judgement_lines(judgement)))
    return exit_status(judgement.verdict)
