"""Errors: SPEC.md section "Errors". Codes go on the wire; the requirement that was broken stays in the local log.

Any exception other than a `ProtocolError` that leaves this package's receiving functions is a bug.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Registered error codes (registry: spec/registries/errors.toml)."""

    NO_ERROR = 0
    INTERNAL = 1
    # The connection is lost with these.
    ENCODING = 16
    FRAME_TOO_LARGE = 17
    UNEXPECTED_FRAME = 18
    UNKNOWN_FRAME = 19
    STREAM_MISUSE = 20
    FLOW_CONTROL = 21
    RATE_EXCEEDED = 22
    TIMEOUT = 23
    VERSION_UNSUPPORTED = 32
    HANDSHAKE_FAILED = 33
    WRONG_PEER = 34
    NO_CHANNEL_BINDING = 35
    # One request is refused with these.
    UNKNOWN_REQUEST = 48
    UNSUPPORTED = 49
    MALFORMED = 50
    UNPINNED = 51
    NOT_ALLOWED = 52
    UNKNOWN_MODEL = 53
    CONTEXT_TOO_LONG = 54
    BUSY = 55
    SHUTTING_DOWN = 56
    DEADLINE_EXCEEDED = 57
    CANCELLED = 58
    PEER_GONE = 59
    NOT_MEMBER = 60
    INVITE_SPENT = 61
    SETTLEMENT_UNAVAILABLE = 62
    BAD_ANSWER = 63
    # Credit.
    BAD_OPEN = 64
    UNKNOWN_QUOTE = 65
    QUOTE_EXPIRED = 66
    SEQUENCE_USED = 67
    CEILING_TOO_LOW = 68
    ALLOWANCE_EXHAUSTED = 69
    BAD_TICK = 70
    BAD_CLOSE = 71
    TICK_OVERDUE = 72
    OVERRUN = 73
    INSUFFICIENT_CREDIT = 74
    NO_RESERVATION = 75


class ProtocolError(Exception):
    """Something that the specification forbids. ``requirement`` is its id in SPEC.md, for the local log only."""

    def __init__(self, message: str, *, code: ErrorCode, requirement: str) -> None:
        super().__init__(f"{message} [{requirement}]")
        self.code = code
        self.requirement = requirement


class LocalProtocolError(ProtocolError):
    """This side asked for what the specification forbids. Nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the specification. ``code`` is what goes on the wire."""
