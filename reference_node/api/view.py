"""What the HTTP API sees of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..generation import Catalog


class NodeView(Protocol):
    """A node as the API needs it."""

    @property
    def catalog(self) -> Catalog:
        """The models that can be asked now."""
        ...

    def health(self) -> dict[str, object]:
        """What ``/health`` says, JSON-able: status, progress, node_id, quic, models, peers. Never a secret."""
        ...

    def ready(self) -> bool:
        """Whether the default model answers (with --no-model: at once)."""
        ...
