"""Adapters: what moves a node that the suite does not dial. The lines are those of spec/adapter."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from conformance.data import specification

VERSION = 1
"""Of the lines."""
REPLY_WITHIN = 15.0
"""Seconds that an adapter has for a reply."""
_LINE = 16 * 1024 * 1024
_STDERR_LINES = 20
_FAREWELL = 10.0
"""Seconds that a program has to end its node and to remove what it has stored."""


class AdapterError(Exception):
    """The adapter crashed, hung, or wrote what is no reply. The message says how, with the end of its stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an adapter says of itself."""

    name: str
    version: str
    roles: frozenset[str]
    capabilities: frozenset[str]


class Adapter(ABC):
    """One program with one node."""

    @abstractmethod
    async def call(self, verb: str, options: Mapping[str, Any], *, within: float = REPLY_WITHIN) -> dict[str, Any]:
        """Ask for something; the reply without its id. Raises `AdapterError`."""

    @abstractmethod
    async def aclose(self) -> None:
        """End it, and its node."""


async def hello(adapter: Adapter) -> Declaration:
    """What ``adapter`` declares. Raises `AdapterError`."""
    result = (await adapter.call("hello", {"adapter": VERSION})).get("result")
    if result is None:
        raise AdapterError("the adapter does not answer `hello`")
    implementation = result["implementation"]
    return Declaration(
        name=implementation["name"],
        version=implementation["version"],
        roles=frozenset(result["roles"]),
        capabilities=frozenset(result["capabilities"]),
    )


async def probe(adapter: Adapter, word: str) -> None:
    """Ask for a verb and for an option that nobody has heard of. Raises `AdapterError` unless both are unsupported."""
    for verb, options, name in ((word, {}, word), ("start", {word: 1}, f"start.{word}")):
        if (await adapter.call(verb, options)) != {"unsupported": name}:
            raise AdapterError(f"the adapter does not answer {name!r} as unsupported, so nothing that it says counts")


class Program(Adapter):
    """An adapter in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self._fault: str | None = None
        self._said: deque[str] = deque(maxlen=_STDERR_LINES)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]

    @classmethod
    async def start(cls, command: Sequence[str]) -> Program:
        """Start ``command``. Raises `AdapterError`."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LINE, start_new_session=True
            )
        except OSError as error:
            raise AdapterError(f"{command[0]} cannot be started: {error.strerror}") from None
        return cls(process)

    async def call(self, verb: str, options: Mapping[str, Any], *, within: float = REPLY_WITHIN) -> dict[str, Any]:
        """Ask for something; the reply without its id. Raises `AdapterError`."""
        if self._fault is not None:
            raise AdapterError(self._fault)
        self._last += 1
        number = self._last
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None  # a pipe
        with contextlib.suppress(ConnectionError):  # the reader says what happened
            self._process.stdin.write(json.dumps({"id": number, "verb": verb, "options": options}).encode() + b"\n")
            await self._process.stdin.drain()
        try:
            async with asyncio.timeout(within):
                found = await reply
        except TimeoutError:
            raise self._fail(f"the adapter does not answer {verb!r} in {within:.0f} s") from None
        finally:
            self._replies.pop(number, None)
        self._check(verb, found)
        return {key: value for key, value in found.items() if key != "id"}

    @property
    def broken(self) -> bool:
        """Whether nothing more can be expected of it."""
        return self._fault is not None

    async def aclose(self) -> None:
        """Let it end, where it still answers; then end it, and whatever it has started."""
        if self._fault is None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._process.wait()
        self._fail("the adapter was ended")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def _check(self, verb: str, reply: Mapping[str, Any]) -> None:
        validator = _results().get(verb)
        if "result" in reply and validator is not None:
            error = next(validator.iter_errors(reply["result"]), None)
            if error is not None:
                raise self._fail(f"the adapter's result of {verb!r} is none: {error.message}")

    async def _read(self) -> None:
        assert self._process.stdout is not None  # a pipe
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                self._fail(f"the adapter wrote a line of more than {_LINE} bytes")
                return
            if not line:
                self._fail("the adapter ended")
                return
            try:
                reply = json.loads(line)
            except ValueError:
                reply = None
            error = next(_reply().iter_errors(reply), None)
            if error is not None:
                self._fail(f"the adapter wrote {line[:80]!r}, which is no reply ({error.message[:80]})")
                return
            waiting = self._replies.get(reply["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # a pipe
        while line := await self._process.stderr.readline():
            self._said.append(line.decode(errors="replace").rstrip())

    def _fail(self, fault: str) -> AdapterError:
        """Expect nothing more of the program; to be raised where somebody waits."""
        if self._fault is None:
            self._fault = self._explained(fault)
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(AdapterError(self._fault))
                waiting.exception()
        return AdapterError(self._fault)

    def _explained(self, fault: str) -> str:
        said = "\n".join(self._said)
        return f"{fault}; its last words were:\n{said}" if said else fault


@cache
def _schema() -> dict[str, Any]:
    path = specification() / "adapter" / "messages.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def _reply() -> Draft202012Validator:
    schema = _schema()
    return Draft202012Validator({"$defs": schema["$defs"], **schema["$defs"]["reply"]})


@cache
def _results() -> Mapping[str, Draft202012Validator]:
    definitions = _schema()["$defs"]
    return {verb: Draft202012Validator({"$defs": definitions, **rule}) for verb, rule in definitions["results"].items()}
