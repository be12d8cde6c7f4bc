"""What a node keeps: receipts and claims, numbers, opens, credit and allowance, through restarts and crashes."""

from __future__ import annotations

from . import consumer, credit, numbers, policy, provider
from .common import FAMILY

__all__ = ["FAMILY", "consumer", "credit", "numbers", "policy", "provider"]
