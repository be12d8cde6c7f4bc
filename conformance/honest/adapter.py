"""An adapter around an honest node in the same process: what spec/adapter asks of any."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from conformance import signing
from conformance.dcbor import Item

from .connection import Connection
from .consumer import DONE, Consumer
from .initiator import Initiator
from .ledger import Store
from .node import Node
from .owner import ADDRESS, Owner
from .rules import NotAskedError, RefusedError

PARAMETERS = {
    "stop": 5, "temperature": 6, "top_p": 7, "top_k": 8, "min_p": 9, "presence_penalty": 10, "frequency_penalty": 11,
    "seed": 12, "repetition_penalty": 14, "logit_bias": 16, "top_logprobs": 18, "tools": 20, "tool_choice": 22,
    "parallel_tool_calls": 24, "response_format": 26, "reasoning_effort": 28,
}  # fmt: skip
"""Keys of chat-request."""
_TOOL = {"name": 0, "description": 1, "parameters": 2, "strict": 3}
_FORMAT = {"schema": 0, "name": 1, "description": 2, "strict": 3}
_EFFORTS = ("NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "EXTRA_HIGH")
_ROLES = {"SYSTEM": 1, "USER": 2, "ASSISTANT": 3}
_FINISH = ("STOP", "LENGTH", "CEILING", "CANCELLED", "DEADLINE", "SHUTDOWN", "FAILED", "TOOL_CALLS")
_OFFER_WITHIN = 2.0
CAPABILITIES = frozenset(
    {
        "start", "start.model", "start.allow", "start.allowance", "start.max_spend", "stop", "restart", "restart.kill",
        "lose-store", "dial", "ask", *(f"ask.{name}" for name in PARAMETERS), "answer", "cancel", "receipts",
        "withdraw", "forbid", "clock", "ask.network", "join", "join.node_certificate", "create-network",
        "create-network.settled", "invite", "withdraw-invite", "admit", "revoke",
    }
)  # fmt: skip

Dial: TypeAlias = Callable[[str, Node, type[Connection], bytes | None], Connection | None]
"""Connects a node to an address."""


@dataclass(kw_only=True)
class Asked:
    """One request of the node's user."""

    consumer: Consumer | None = None
    error: str | None = None
    task: asyncio.Task[None] | None = None


class HonestAdapter(Owner):
    """Verbs on one node. Mutants override them, or the node and its connections."""

    initiator: type[Initiator] = Initiator

    def __init__(self, make: Callable[[], Node], dial: Dial) -> None:
        self._make = make
        self._dial = dial
        self.node: Node | None = None
        self.dialed: list[tuple[str, bytes | None]] = []
        self.links: list[Connection] = []
        self.requests: list[Asked] = []

    async def handle(self, verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one request, without its id."""
        known: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "start": self.start,
            "stop": self.stop,
            "restart": self.restart,
            "lose-store": self.lose_store,
            "dial": self.dial,
            "ask": self.ask,
            "answer": self.answer,
            "cancel": self.cancel,
            "receipts": self.receipts,
            "withdraw": self.withdraw,
            "forbid": self.forbid,
            "clock": self.clock,
            "join": self.join,
            "create-network": self.create_network,
            "invite": self.invite,
            "withdraw-invite": self.withdraw_invite,
            "admit": self.admit,
            "revoke": self.revoke,
        }
        try:
            return {"result": await known[verb](**options)}
        except RefusedError as error:
            return {"refused": str(error)}

    async def start(
        self,
        *,
        model: bool = False,
        allow: list[str] | None = None,
        allowance: int | None = None,
        max_spend: int | None = None,
    ) -> dict[str, Any]:
        """A new node."""
        self.leave()
        self.dialed, self.requests = [], []
        node = self.node = self._make()
        node.serves = model
        node.reach = self.connect
        node.dialed = lambda: [each for each in self.links if isinstance(each, Initiator)]
        node.allow = None if allow is None else frozenset(map(bytes.fromhex, allow))
        node.allowance = node.allowance if allowance is None else allowance
        node.max_spend = node.max_spend if max_spend is None else max_spend
        return self.listening()

    def listening(self) -> dict[str, Any]:
        """Who the node is, and where."""
        return {"node": self.running().key.public.hex(), "address": ADDRESS}

    def running(self) -> Node:
        """The node. Raises `RefusedError` where there is none."""
        if self.node is None:
            raise RefusedError("INTERNAL")
        return self.node

    def leave(self) -> None:
        """Every connection of the node ends."""
        for link in self.links:
            link.fail(0)
            link.lost()
        self.links = []

    def vanish(self) -> None:
        """Every connection stops where it is, as when the machine loses its power."""
        for link in self.links:
            link.over = True
            link.timers.stop_all()
            for exchange in (*link.streams.values(), *(link.asked.values() if isinstance(link, Initiator) else ())):
                exchange.state = DONE
                exchange.timers.stop_all()
        self.links = []

    async def stop(self) -> dict[str, Any]:
        """The node ends."""
        self.leave()
        self.node = None
        return {}

    async def restart(self, *, kill: bool = False) -> dict[str, Any]:
        """The same store, again; what was not on the disk is lost in a crash."""
        node = self.running()
        if kill:
            self.vanish()
            node.crash()
        else:
            self.leave()
        for address, expected in self.dialed:
            self.connect(address, expected)
        return self.listening()

    async def lose_store(self) -> dict[str, Any]:
        """KEY-008: a node that no longer knows its numbers makes a new key."""
        node = self.running()
        self.leave()
        self.dialed = []
        node.store, node.disk = Store(), Store()
        if not node.rules.skips("KEY-008"):
            node.new_key()
        return self.listening()

    async def dial(self, *, address: str, node: str | None) -> dict[str, Any]:
        """Dial."""
        expected = None if node is None else bytes.fromhex(node)
        self.dialed.append((address, expected))
        self.connect(address, expected)
        return {}

    def connect(self, address: str, expected: bytes | None) -> None:
        """One attempt."""
        link = self._dial(address, self.running(), self.initiator, expected)
        if link is not None:
            self.links.append(link)

    def arrived(self, link: Connection) -> None:
        """The suite dialed the node."""
        self.links.append(link)

    async def ask(
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
        """Ask, once the provider offers the model."""
        content = self.content(
            parameters, model=model, messages=messages, max_tokens=max_tokens, deadline_ms=deadline_ms
        )
        asked = Asked()
        self.requests.append(asked)
        where = signing.DIRECT if network is None else bytes.fromhex(network)
        asked.task = asyncio.create_task(self.place(asked, bytes.fromhex(provider), content, where))
        return {"request": len(self.requests) - 1}

    def content(
        self,
        parameters: dict[str, Any],
        *,
        model: str,
        messages: list[dict[str, str]],
        max_tokens: int,
        deadline_ms: int,
    ) -> dict[int, Item]:
        """The chat-request of what the user wants (INF-002)."""
        given = {PARAMETERS[name]: _on_the_wire(name, value) for name, value in parameters.items()}
        turns = [{0: _ROLES[each["role"]], 1: each["content"]} for each in messages]
        return {0: 1, 1: model, 2: turns, 3: max_tokens, 4: deadline_ms, **given}

    async def place(self, asked: Asked, provider: bytes, content: dict[int, Item], network: bytes) -> None:
        """Wait for the offer, for a moment, and ask."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _OFFER_WITHIN
        while True:
            try:
                asked.consumer = self.link_to(provider).ask(content, network)
                return
            except NotAskedError as error:
                if error.code != "UNKNOWN_MODEL" or loop.time() > until:
                    asked.error = error.code
                    return
            await asyncio.sleep(0.05)

    def link_to(self, provider: bytes) -> Initiator:
        """The connection on which ``provider`` is asked. Raises `NotAskedError`."""
        for link in reversed(self.links):
            usable = not link.over or self.running().rules.skips("ERR-004")
            if isinstance(link, Initiator) and link.session and link.session.peer == provider and usable:
                return link
        raise NotAskedError("UNKNOWN_MODEL")

    async def answer(self, *, request: int, within_ms: int) -> dict[str, Any]:
        """What the user has been shown."""
        asked = self.requests[request]
        try:
            async with asyncio.timeout(within_ms / 1000):
                if asked.task is not None:
                    await asyncio.shield(asked.task)
                if asked.consumer is not None:
                    await asked.consumer.done.wait()
        except TimeoutError:
            pass
        return self.shown(asked)

    def shown(self, asked: Asked) -> dict[str, Any]:
        """INF-021, ERR-010: whole is only what ended whole, and an error is no text."""
        consumer = asked.consumer
        if consumer is None:
            state = "failed" if asked.error else "running"
            return {"state": state, "text": "", "finish": None, "error": asked.error}
        if not consumer.done.is_set():
            return {"state": "running", "text": consumer.text, "finish": None, "error": None}
        if consumer.finish is None:
            return {"state": "failed", "text": consumer.text, "finish": None, "error": consumer.error}
        return {"state": "whole", "text": consumer.text, "finish": _FINISH[consumer.finish - 1], "error": None}

    async def cancel(self, *, request: int) -> dict[str, Any]:
        """The user is gone."""
        consumer = self.requests[request].consumer
        if consumer is not None:
            consumer.user_gone()
        return {}

    async def receipts(self) -> dict[str, Any]:
        """What is stored."""
        return {"receipts": list(self.running().store.shown())}

    async def withdraw(self) -> dict[str, Any]:
        """Serve the model no more."""
        self.running().serves = False
        return {}

    async def forbid(self, *, consumer: str) -> dict[str, Any]:
        """Serve a consumer no more."""
        self.running().forbidden.add(bytes.fromhex(consumer))
        return {}

    async def clock(self, *, seconds: int) -> dict[str, Any]:
        """The clock goes forward."""
        self.running().skew += seconds
        return {}


def _on_the_wire(name: str, value: Any) -> Item:
    if name == "tools":
        return [{_TOOL[each]: content for each, content in tool.items()} for tool in value]
    if name == "response_format":
        return {_FORMAT[each]: content for each, content in value.items()}
    return _EFFORTS.index(value) if name == "reasoning_effort" else value
