"""How a fault is logged: what and where, never with which words."""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger("mycellm.quic")


def log_fault(message: str, error: Exception, extra: Mapping[str, object]) -> None:
    """Log the type and place of ``error``. Its own message may quote content, and so stays out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    logger.error(message, extra={**extra, "error": type(error).__name__, "place": place})
