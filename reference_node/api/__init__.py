"""The HTTP API in OpenAI's shape. It knows `Generator`, `Catalog` and `NodeView`, and nothing of QUIC or engines."""

from .server import ApiServer, PortInUseError
from .view import NodeView

__all__ = ["ApiServer", "NodeView", "PortInUseError"]
