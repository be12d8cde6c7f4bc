"""The protocol of drivers: spec/vectors/README.md, "Drivers".

A driver that gives no answer to a case is ended, and started anew for the next.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .judge import NoAnswerError
from .outcome import Case, Outcome
from .process import Process, ProcessError

PROTOCOL = 1
_MOST_ERRORS = 4000
"""Bytes of stderr that are shown: the last ones."""

Line: TypeAlias = dict[str, Any]


class UnsupportedError(NoAnswerError):
    """The driver says that it does not know the verb or the family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a driver says of itself."""

    name: str
    language: str
    families: tuple[str, ...]


class Driver:
    """A program that derives outcomes. ``timeout`` is what it gets for each answer, in seconds."""

    def __init__(self, command: Sequence[str], *, spec: str, timeout: float) -> None:
        self._command = command
        self._spec = spec
        self._timeout = timeout
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self._process: Process | None = None
        self._asked = 0
        self._declared: Declaration | None = None

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.close()
        self._errors.close()

    def declaration(self) -> Declaration:
        """What it declares. Raises `OSError` where it cannot be started, `NoAnswerError` where it does not say."""
        self._running()
        assert self._declared is not None  # said when it was started
        return self._declared

    def derive(self, family: str, inputs: Case) -> Outcome:
        """Its outcome for one case. Raises `NoAnswerError`."""
        answer = self.ask("derive", family=family, inputs=inputs)
        outcome = answer.get("outcome")
        if not isinstance(outcome, dict) or len(answer) != 2:
            raise self._failed(f"its answer is of another form: {_shown(answer)}")
        return outcome

    def ask(self, verb: str, **more: Any) -> Line:
        """Its answer to a line that has an id. Raises `UnsupportedError`, or another `NoAnswerError`."""
        self._asked += 1
        name = str(self._asked)
        process = self._running()
        answer = self._exchange(process, {"verb": verb, "id": name, **more})
        if answer.get("id") != name:
            raise self._failed(f"its answer is not to what was asked: {_shown(answer)}")
        if answer == {"id": name, "unsupported": True}:
            raise UnsupportedError("unsupported")
        return answer

    def errors(self) -> str:
        """The end of what it wrote to stderr, in all its lives."""
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - _MOST_ERRORS))
        return self._errors.read().decode("utf-8", "replace")

    def _running(self) -> Process:
        """The process, which is started and greeted first where there is none."""
        if self._process is None:
            self._process = Process(self._command, self._errors)
            answer = self._exchange(self._process, {"verb": "hello", "protocol": PROTOCOL, "spec": self._spec})
            declared = self._read_declaration(answer)
            if self._declared not in (None, declared):
                raise self._failed("after a new start it declares something else")
            self._declared = declared
        return self._process

    def _read_declaration(self, answer: Line) -> Declaration:
        match answer:
            case {"protocol": int(protocol)} if protocol != PROTOCOL:
                raise self._failed(f"it speaks version {protocol} of the protocol, and the suite {PROTOCOL}")
            case {"protocol": int(), "name": str(name), "language": str(language), "families": list(families)} if len(
                answer
            ) == 4 and all(isinstance(family, str) for family in families):
                return Declaration(name=name, language=language, families=tuple(families))
        raise self._failed(f"it answers hello in another form: {_shown(answer)}")

    def _exchange(self, process: Process, line: Line) -> Line:
        try:
            answer = process.ask(json.dumps(line, separators=(",", ":")).encode(), self._timeout)
        except ProcessError as error:
            raise self._failed(str(error)) from None
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            raise self._failed(f"its line is no JSON: {answer[:200]!r}") from None
        if not isinstance(value, dict):
            raise self._failed(f"its line is no object: {_shown(value)}")
        return value

    def _failed(self, what: str) -> NoAnswerError:
        """End this life of the driver: whatever it still writes is no answer to the next case."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        return NoAnswerError(what)


def _shown(value: object) -> str:
    return json.dumps(value)[:200]
