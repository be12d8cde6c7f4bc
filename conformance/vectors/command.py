"""The command ``vectors``: every case put to this suite's own implementation, or to anybody's driver."""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence

from conformance import data

from .cases import SelectionError, Vector, select
from .drive import HONESTY, drive
from .driver import Declaration, Driver
from .implementation import FAMILIES, Implementation
from .judge import NoAnswerError, Result, Verdict, concluded, judge, status
from .report import as_json, as_text

_TIMEOUT = 10.0
_EPILOG = (
    "Exit status: 0 all passed, 1 a case failed, 2 wrong command line, 3 not everything that was asked for was"
    " verified, 4 the suite itself failed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes, and what its exit status means."""
    parser.epilog = _EPILOG
    parser.add_argument("--family", choices=FAMILIES, metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--filter", metavar="GLOB", help="only cases whose FAMILY/ID fits; an accepted one comes along")
    parser.add_argument("--driver", metavar="CMD", help="a program that derives outcomes; see spec/vectors/README.md")
    parser.add_argument(
        "--timeout", type=_seconds, default=_TIMEOUT, metavar="SECONDS", help="what a driver gets for each answer (10)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def run(options: argparse.Namespace) -> int:
    """Run the command; its exit status."""
    try:
        vectors = select(options.family, options.filter)
        command = None if options.driver is None else _words(options.driver)
    except (SelectionError, data.DataError) as problem:
        return _wrong(problem)
    if command is None:
        results = concluded(list(_watched(map(_judged, vectors), len(vectors))))
        return _told(results, options)
    with Driver(command, spec=data.version(), timeout=options.timeout) as driver:
        try:
            declared = driver.declaration()
        except OSError as problem:
            return _wrong(f"{options.driver} cannot be started: {problem}")
        except NoAnswerError as problem:
            results = [Result.of(vector, Verdict.UNTESTABLE, f"no declaration: {problem}") for vector in vectors]
            return _told(results, options, errors=driver.errors())
        results = concluded(list(_watched(drive(driver, vectors), len(vectors))))
        return _told(results, options, declared, driver.errors())


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as problem:
        raise SelectionError(f"--driver {command}: {problem}") from None
    if not words:
        raise SelectionError("--driver names no program")
    return words


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 3600:
        raise ValueError(text)
    return seconds


def _judged(vector: Vector) -> Result:
    """The verdict of this suite's own implementation, which has to find what lies on the way too."""
    implementation = Implementation()
    try:
        result = judge(vector, implementation.derive)
        if implementation.intermediate(vector.family, vector.inputs) != vector.intermediate:
            return Result.of(vector, Verdict.FAIL, "what is shown as intermediate does not follow")
    except Exception:  # noqa: BLE001  a fault of the suite must not keep the other cases from being judged
        return Result.of(vector, Verdict.HARNESS_ERROR, f"the suite itself failed:\n{traceback.format_exc()}")
    return result


def _watched(results: Iterable[Result], total: int) -> Iterator[Result]:
    """The results, with the progress on stderr where somebody watches."""
    watched = sys.stderr.isatty()
    number = 0
    for result in results:
        number += result.family != HONESTY
        if watched:
            sys.stderr.write(f"\r\x1b[K{number} of {total} {result.family}/{result.case}")
            sys.stderr.flush()
        yield result
    if watched:
        sys.stderr.write("\r\x1b[K")


def _told(
    results: Sequence[Result],
    options: argparse.Namespace,
    declared: Declaration | None = None,
    errors: str = "",
) -> int:
    sys.stdout.write((as_json if options.json else as_text)(results, declared) + "\n")
    code = status(results)
    if code and errors:
        sys.stderr.write(f"The driver wrote to stderr:\n{errors.rstrip()}\n")
    return code


def _wrong(problem: object) -> int:
    sys.stderr.write(f"conformance vectors: {problem}\n")
    return 2
