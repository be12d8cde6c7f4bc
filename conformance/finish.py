"""Why an answer ended: spec/registries/finish-reasons.toml."""

from __future__ import annotations

STOP, LENGTH, CEILING, CANCELLED, DEADLINE, SHUTDOWN, FAILED, TOOL_CALLS = range(1, 9)
