"""Who asks an engine: what may be reused of earlier requests, and whose turn it is, go by owner."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from mycellm_proto.content import Content
from reference_node.generation import Event, ModelInfo

LOCAL_OWNER = b"local"
"""The owner of what comes through this node's own HTTP API. Others are node ids, which have another length."""


class Answering(Protocol):
    """What answers for owners: an `Engine`."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def answer(self, request: Content, owner: bytes | None) -> AsyncGenerator[Event, None]:
        """Answers one request of that owner; None is nobody in particular, whose requests share nothing."""
        ...


class OwnedGenerator:
    """An engine as one owner sees it: a `Generator` whose requests may reuse what earlier ones of that owner left."""

    def __init__(self, engine: Answering, owner: bytes) -> None:
        self._engine, self._owner = engine, owner

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._engine.info

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """See `reference_node.generation`."""
        return self._engine.answer(request, self._owner)
