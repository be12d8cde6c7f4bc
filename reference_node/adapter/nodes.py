"""The node that the adapter moves: a real one on real QUIC, in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mycellm_proto.answer import Part
from mycellm_proto.content import ChatRequest, FinishReason, Message, Role
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.nodeid import encode_node_id
from mycellm_proto.receipt import encode_receipt, receipt_of

from .. import log
from ..config import PeerAddress, parse_address, resolve
from ..generation import Delta, Finished, GenerationError
from ..identity import load_with_receipts
from ..networks import NetworkError
from ..node import Node, clock, probe
from ..store import RECEIPTS_FILE
from ..store.audit import open_archive
from .membership import NetworkVerbs
from .parameters import wished
from .words import Words

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from multiprocessing.connection import Connection

    from ..generation import Generator

OFFER_WITHIN_S = 2.0
"""How long a request waits until its provider offers the model."""
LOOK_S = 0.02


@dataclass(slots=True)
class Asked:
    """A request of the node's user, and what the user has been shown."""

    text: str = ""
    finish: FinishReason | None = None
    error: ErrorCode | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def shown(self) -> dict[str, Any]:
        """As the adapter's lines say it."""
        state = "running" if not self.over.is_set() else "failed" if self.finish is None else "whole"
        return {
            "state": state,
            "text": self.text,
            "finish": None if self.finish is None else self.finish.name,
            "error": None if self.error is None else self.error.name,
        }


class Moved(NetworkVerbs):
    """One running node, and the verbs that it does."""

    def __init__(self, connection: Connection, home: Path) -> None:
        self._connection = connection
        self._home = home
        self._identity = load_with_receipts(home, home / RECEIPTS_FILE)
        self._requests: list[Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()

    async def run(self, started: dict[str, Any]) -> None:
        """Until the adapter has no more use for it."""
        clock.advance(started["seconds"])
        settings = resolve(_flags(self._home, self._identity.node_id, started["options"]), {}).settings
        engine = Words() if started["options"].get("model") else None
        self._node = await Node.start(settings, self._identity, engine)
        try:
            for options in started["dials"]:
                self.dial(**options)
            listening = {"node": self._identity.node_id.hex(), "address": self._node.health()["quic"]}
            self._connection.send({"id": started["request"], "result": listening})
            asyncio.get_running_loop().add_reader(self._connection.fileno(), self._take)
            await self._left.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await self._node.aclose()

    def _take(self) -> None:
        try:
            request = self._connection.recv()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._left.set()
            return
        self._background(self._reply(request["id"], request["verb"], request["options"]))

    async def _reply(self, number: int, verb: str, options: dict[str, Any]) -> None:
        try:
            result = getattr(self, verb.replace("-", "_"))(**options)
            if asyncio.iscoroutine(result):
                result = await result
        except (NetworkError, ProtocolError) as error:
            self._connection.send({"id": number, "refused": error.code.name})
            return
        self._connection.send({"id": number, "result": result or {}})

    def _background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Verbs

    def dial(self, address: str, node: str | None) -> None:
        """Keep a connection to a known node; learn who an unknown one is."""
        where = parse_address(address)
        if node is not None:
            self._node.use(PeerAddress(node_id=bytes.fromhex(node), address=where))
        else:
            self._background(self._probe(where.host, where.port))

    async def _probe(self, host: str, port: int) -> None:
        with suppress(OSError, ProtocolError):  # what comes of it shows on the wire
            await probe(host, port, self._identity)

    def ask(
        self,
        *,
        provider: str,
        model: str,
        messages: list[dict[str, str]],
        max_tokens: int,
        deadline_ms: int,
        parameters: dict[str, Any],
        network: str | None = None,
    ) -> dict[str, Any]:
        """Ask as the HTTP API does."""
        request = ChatRequest(
            model=model,
            messages=tuple(Message(role=Role[each["role"]], content=each["content"]) for each in messages),
            max_tokens=max_tokens,
            deadline_ms=deadline_ms,
            **wished(parameters),
        )
        asked = Asked()
        asked.task = self._background(self._ask(asked, bytes.fromhex(provider), request, network))
        self._requests.append(asked)
        return {"request": len(self._requests) - 1}

    async def _ask(self, asked: Asked, provider: bytes, request: ChatRequest, network: str | None) -> None:
        try:
            named = request.model if network is None else f"{request.model}@{network}"
            generator = await self._offered(provider, named)
            async with aclosing(generator.generate(request)) as events:
                async for event in events:
                    if isinstance(event, Delta) and event.part is Part.ANSWER:
                        asked.text += event.text
                    elif isinstance(event, Finished):
                        asked.finish = event.reason
        except GenerationError as error:
            asked.error = error.code
        except asyncio.CancelledError:
            asked.error = ErrorCode.CANCELLED
        finally:
            asked.over.set()

    async def _offered(self, provider: bytes, model: str) -> Generator:
        with suppress(TimeoutError):
            async with asyncio.timeout(OFFER_WITHIN_S):
                while True:
                    found = self._node.catalog.find(model)
                    if found is not None and found.info.owner == encode_node_id(provider):
                        return found
                    await asyncio.sleep(LOOK_S)
        raise GenerationError(ErrorCode.UNKNOWN_MODEL)

    async def answer(self, request: int, within_ms: int) -> dict[str, Any]:
        """What the user has been shown, once it is over or the time has passed."""
        asked = self._requests[request]
        with suppress(TimeoutError):
            async with asyncio.timeout(within_ms / 1000):
                await asked.over.wait()
        return asked.shown()

    def cancel(self, request: int) -> None:
        """The user leaves."""
        task = self._requests[request].task
        assert task is not None  # set as soon as there is a request
        task.cancel()

    def receipts(self) -> dict[str, Any]:
        """What is stored, as anybody may read it beside the node."""
        with open_archive(self._home / RECEIPTS_FILE) as archive:
            records = [each.record for each in archive.receipts() if each.record is not None] if archive else []
        return {
            "receipts": [
                {
                    "role": record.role,
                    "network": record.identity.network.hex(),
                    "consumer": record.identity.consumer.hex(),
                    "provider": record.identity.provider.hex(),
                    "sequence": record.identity.sequence,
                    "owed": record.claim,
                    "receipt": encode_receipt(receipt_of(record.evidence)).hex()
                    if record.evidence.countersignature is not None
                    else None,
                }
                for record in records
            ]
        }

    def withdraw(self) -> None:
        """Serve the model no more."""
        self._node.withdraw()

    def forbid(self, consumer: str) -> None:
        """Serve a consumer no more."""
        self._node.forbid(bytes.fromhex(consumer))

    def clock(self, seconds: int) -> None:
        """The date moves; waits that run do not."""
        clock.advance(seconds)


def run(connection: Connection, home: str, started: dict[str, Any]) -> None:
    """The life of the node's process."""
    log.setup("warning", sys.stderr)
    logging.captureWarnings(capture=True)
    asyncio.run(Moved(connection, Path(home)).run(started))


def _flags(home: Path, own: bytes, options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The command line that asks for these options."""
    flags: dict[str, tuple[str, ...]] = {"home": (str(home),), "quic": ("127.0.0.1:0",), "no_model": ("true",)}
    if "allow" in options:  # nobody else, where nobody is named: no entry at all would mean anybody
        flags["allow"] = tuple(map(encode_node_id, map(bytes.fromhex, options["allow"]))) or (encode_node_id(own),)
    for name in ("allowance", "max_spend"):
        if name in options:
            flags[name] = (str(options[name]),)
    return flags
