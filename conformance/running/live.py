"""The environment of a run against a node on the network."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from conformance.script.session import Environment
from conformance.wire import quic
from conformance.wire.adapter import Adapter, AdapterError, Declaration, Program, hello, probe
from conformance.wire.link import DEADLINE, Link, Listening, Manner, Recorder

_HERE = "127.0.0.1"
"""Where the nodes of adapters, which run on this machine, find the suite."""


class Adapters:
    """The programs of one command line: one for each case that runs now. Made by `open`."""

    def __init__(self, command: Sequence[str], declaration: Declaration, first: Program) -> None:
        self.declaration = declaration
        self._command = command
        self._free = [first]
        self._all = [first]

    @classmethod
    async def open(cls, command: Sequence[str], word: str) -> Adapters:
        """Start the first, and see whether it can be believed: it must not know ``word``. Raises `AdapterError`."""
        program = await Program.start(command)
        try:
            declaration = await hello(program)
            await probe(program, word)
        except AdapterError:
            await program.aclose()
            raise
        return cls(command, declaration, program)

    async def borrow(self) -> Program:
        """One that nobody uses. Raises `AdapterError`."""
        if self._free:
            return self._free.pop()
        program = await Program.start(self._command)
        self._all.append(program)
        await hello(program)
        return program

    async def give_back(self, program: Program) -> None:
        """The case is done with it; its node ends."""
        if not program.broken and "stop" in self.declaration.capabilities:
            try:
                await program.call("stop", {})
            except AdapterError:
                await program.aclose()
        if program.broken:
            await program.aclose()
            self._all.remove(program)
        else:
            self._free.append(program)

    async def node(self) -> tuple[tuple[str, int], bytes]:
        """Address and id of a node that serves a model for as long as the run lasts. Raises `AdapterError`."""
        reply = await (await self.borrow()).call("start", {"model": True})
        if "result" not in reply:
            raise AdapterError("the adapter starts no node with a model: name one with --target")
        try:
            return split(reply["result"]["address"]), bytes.fromhex(reply["result"]["node"])
        except ValueError as error:
            raise AdapterError(f"the adapter's node listens nowhere: {error}") from None

    async def aclose(self) -> None:
        """End them all."""
        for program in self._all:
            await program.aclose()


class LiveEnvironment(Environment):
    """A node at an address, and the nodes of an adapter."""

    def __init__(self, host: str, port: int, target: bytes | None, adapters: Adapters | None = None) -> None:
        self._host = host
        self._port = port
        self._adapters = adapters
        self.target = target
        self.capabilities = None if adapters is None else adapters.declaration.capabilities

    def clock(self) -> float:
        """This machine's clock."""
        return time.time()

    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        """A QUIC connection."""
        host, port = (self._host, self._port) if address is None else split(address)
        return await quic.dial(recorder, host, port, alpn=alpn, within=DEADLINE)

    async def listen(self, recorder: Recorder, manner: Manner) -> Listening:
        """A socket."""
        return await quic.listen(recorder, _HERE, manner)

    async def borrow(self) -> Adapter:
        """A program that nobody uses. Raises `AdapterError`."""
        assert self._adapters is not None  # without an adapter no case needs one
        return await self._adapters.borrow()

    async def give_back(self, adapter: Adapter) -> None:
        """The case is done with it."""
        assert self._adapters is not None  # borrowed
        assert isinstance(adapter, Program)  # borrowed
        await asyncio.shield(self._adapters.give_back(adapter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run finds what it judges: a node at an address, a program that moves nodes, or both."""

    address: tuple[str, int] | None
    target: bytes | None
    """The node key that has to be proved at the address; None where it is not known."""
    command: tuple[str, ...] | None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[LiveEnvironment]:
        """The environment, for as long as the run lasts. Raises `AdapterError`."""
        if self.command is None:
            assert self.address is not None  # one of the two is named
            yield LiveEnvironment(*self.address, self.target)
            return
        adapters = await Adapters.open(self.command, word=f"x{secrets.token_hex(4)}")
        try:
            address, target = (self.address, self.target) if self.address else await adapters.node()
            yield LiveEnvironment(*address, target, adapters)
        finally:
            await adapters.aclose()


def split(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises `ValueError`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{address} is not HOST:PORT")
    return host.strip("[]"), int(port)
