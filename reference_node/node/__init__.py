"""The node put together: who is connected, what is asked of whom, and what is kept of it."""

from __future__ import annotations

from . import clock
from .node import Node
from .peers import PeerStatus
from .probe import ProbeResult, probe

__all__ = ["Node", "PeerStatus", "ProbeResult", "clock", "probe"]
