"""What a network command refuses, and why, as a sentence for people."""

from __future__ import annotations

from mycellm_proto.errors import ErrorCode


class NetworkError(Exception):
    """It cannot be done. The message says what would help; ``code`` is what a peer is told (SPEC.md, "Errors")."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.NOT_ALLOWED) -> None:
        super().__init__(message)
        self.code = code


class UnknownNetworkError(NetworkError):
    """This node knows no such network."""

    def __init__(self, name: str) -> None:
        super().__init__(f"This node is in no network {name!r}. `network show` lists those that it is in.")


class AmbiguousNetworkError(NetworkError):
    """Several networks have that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Several networks are named {name!r}. Use the id that `network show` prints.")


class SpentError(NetworkError):
    """The invite is used up, withdrawn, expired, or of another network."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.INVITE_SPENT)
