"""What a case is: a script with at most one fault, what has to follow, and the requirements that it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .judge.expect import Expectation
from .script.faults import Fault
from .script.session import Session

Script: TypeAlias = Callable[[Session], Awaitable[None]]
Tier: TypeAlias = Literal["smoke", "core", "full"]
Role: TypeAlias = Literal["responder", "initiator"]
TIERS: tuple[Tier, ...] = ("smoke", "core", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. Its id is a slug, verb first: ``handshake/reject-replayed-hello``."""

    id: str
    page: str
    """What is done and why it has to end so, for people: the published page."""
    requirements: tuple[str, ...]
    """With their revisions: HSK-007~1."""
    script: Script
    expect: Expectation
    fault: Fault | None = None
    twin: str | None = None
    """The honest case that has to pass before a refusal in this one means anything."""
    tier: Tier = "core"
    role: Role = "responder"
    """Which part the target plays."""
    needs: frozenset[str] = field(default_factory=frozenset)
    """What the adapter has to offer; empty: no adapter is needed."""
    seconds: float = 0.0
    """How long it waits on purpose; such cases run beside each other."""
    holds: bool = False
    """Whether an answer waits with it, and keeps a place of the target's model from all others meanwhile."""

    items: int = 0
    """How many faults of its kind a generated case draws from the seed, each independent of the others."""

    @property
    def family(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]
