"""The target as its adapter moves it: a node of the case's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.wire.adapter import REPLY_WITHIN

from .asking import PROMPT
from .session import Session

MODEL = "conformance-words"
"""What the suite offers as a provider."""
PATIENCE = 15.0
"""Seconds that an answer may take for which the case has no time of its own."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the target's user."""

    session: Session
    number: int

    async def answer(self, within: float = PATIENCE) -> dict[str, Any]:
        """What the user has been shown, once the request is over or after ``within`` seconds."""
        return await self.session.call(
            "answer", within=within + REPLY_WITHIN, request=self.number, within_ms=int(within * 1000)
        )

    async def cancel(self) -> None:
        """The user is gone."""
        await self.session.call("cancel", request=self.number)


class Target:
    """The node that the adapter runs for this case."""

    def __init__(self, session: Session, node: bytes) -> None:
        self.session = session
        self.node = node

    @classmethod
    async def start(cls, session: Session, **options: Any) -> Target:
        """A new node."""
        return cls(session, await _listening(session, "start", **options))

    async def restart(self, **options: Any) -> None:
        """End it and start it again, on the same store."""
        self.node = await _listening(self.session, "restart", **options)

    async def lose_store(self) -> None:
        """End it, lose its store, and start it again."""
        self.node = await _listening(self.session, "lose-store")

    async def dial(self, address: str, node: bytes | None) -> None:
        """Let it dial the suite, whose id it knows or does not."""
        await self.session.call("dial", address=address, node=None if node is None else node.hex())

    async def ask(
        self,
        provider: bytes,
        *,
        max_tokens: int = 8,
        deadline_ms: int = 60_000,
        prompt: str = PROMPT,
        model: str = MODEL,
        parameters: dict[str, Any] | None = None,
        network: bytes | None = None,
    ) -> Request:
        """Let its user ask the suite."""
        where: dict[str, Any] = {} if network is None else {"network": network.hex()}
        result = await self.session.call(
            "ask",
            provider=provider.hex(),
            model=model,
            messages=[{"role": "USER", "content": prompt}],
            max_tokens=max_tokens,
            deadline_ms=deadline_ms,
            parameters=parameters or {},
            **where,
        )
        return Request(self.session, result["request"])

    async def receipts(self) -> list[dict[str, Any]]:
        """What it has stored."""
        found: list[dict[str, Any]] = (await self.session.call("receipts"))["receipts"]
        return found


async def _listening(session: Session, verb: str, **options: Any) -> bytes:
    result = await session.call(verb, **options)
    session.address = result["address"]
    return bytes.fromhex(result["node"])
