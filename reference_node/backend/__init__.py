"""An engine or a cluster behind this node: anything that speaks OpenAI's API, under this node's identity.

The owner's settings name one URL; its models are listed, and served to the local API and to peers like the node's own,
but for what a proxied model is not: its digest names no weights, and it takes no part in a network whose content stays
on the node. The key goes to that URL alone, and nothing that a peer or the backend says becomes a URL.

What is billed is the backend's own count (see `reference_node.backend.model`): never more than it read and wrote.
"""

from __future__ import annotations

from .backend import Backend, BackendState, BackendStatus, examine
from .faults import BackendFault, Trouble
from .model import ProxiedModel

__all__ = ["Backend", "BackendFault", "BackendState", "BackendStatus", "ProxiedModel", "Trouble", "examine"]
