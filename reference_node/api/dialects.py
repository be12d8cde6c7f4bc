"""How each API family writes an error. SDKs read the message, the type and the code from these very places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import OVERFLOW
from .sse import event

if TYPE_CHECKING:
    from .errors import ApiError

ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
    504: "timeout_error",
}  # fmt: skip
PROMPTS = {"/completions": "prompt", "/responses": "input", "/embeddings": "input"}
"""What a route calls the prompt, where that is not ``messages``."""
_ANTHROPIC_PATHS = ("/messages", "/v1/messages")


def is_anthropic(path: str) -> bool:
    """Whether the asker of ``path`` reads Anthropic's shapes."""
    return path in _ANTHROPIC_PATHS or path.startswith(tuple(f"{prefix}/" for prefix in _ANTHROPIC_PATHS))


def openai_error(error: ApiError, prompt: str = "messages") -> dict[str, object]:
    """The JSON body, and the data of an error event in a stream of chunks; ``prompt`` is how the route names that."""
    named = prompt if error.code == OVERFLOW else error.param
    return {"error": {"message": error.message, "type": error.kind, "param": named, "code": error.code}}


def anthropic_error(error: ApiError, request_id: str) -> dict[str, object]:
    """The JSON body, and the data of an error event."""
    fallback = "invalid_request_error" if error.status < 500 else "api_error"
    kind = ANTHROPIC_TYPES.get(error.status, fallback)
    message = error.message if error.anthropic is None else error.anthropic
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def error_body(error: ApiError, path: str, request_id: str) -> dict[str, object]:
    """The JSON body of an error at ``path``."""
    if is_anthropic(path):
        return anthropic_error(error, request_id)
    return openai_error(error, PROMPTS.get(path.removeprefix("/v1"), "messages"))


def openai_failure(error: ApiError) -> list[str]:
    """The last event of a stream of chunks that failed; no [DONE] follows, since the answer is not whole."""
    return [event(openai_error(error))]
