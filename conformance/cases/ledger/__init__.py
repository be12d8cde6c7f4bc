"""What a node keeps: receipts and claims, numbers, opens, the allowance, through restarts and crashes."""

from __future__ import annotations

from . import consumer, numbers, policy, provider
from .common import FAMILY

__all__ = ["FAMILY", "consumer", "numbers", "policy", "provider"]
