"""The manifest of a proxied model: it says that it is one, and what the backend calls it.

It pins no weights, no tokenizer and no template, since nobody here has seen them: the same digest tells that two nodes
say they proxy a model of that name, and no more. A network that wants known weights does not list it.
"""

from __future__ import annotations

import hashlib
import json

FORMAT = 1
"""Version of this manifest."""


def proxied_digest(name: str) -> bytes:
    """SHA-256 of the manifest's canonical bytes (as `reference_node.models.manifest` writes them), 32 bytes."""
    body = {"format": FORMAT, "kind": "proxied", "name": name}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).digest()
