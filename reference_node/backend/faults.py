"""What goes wrong with a backend: a registered code for the asker, words of ours for the owner, none of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mycellm_proto.content import Content
from mycellm_proto.errors import ErrorCode
from mycellm_proto.features import features
from reference_node.generation import GenerationError

MAX_RETRY_S = 3600.0
"""Seconds that a backend can ask for before another try."""
BUSY_S = 1.0
"""The same where it does not say."""

NAMES: Mapping[str, str] = {
    "logprobs": "top_logprobs",
    "repeat_penalty": "repetition_penalty",
    "tool_call_id": "messages.calls",
    "input": "inputs.tokens",
    "prompt": "prompt.tokens",
}
"""Parameters that this node calls by another name than the backend's API."""

_MAXIMUM = re.compile(r"maximum context length is (\d{1,9}) tokens")
_REQUESTED = re.compile(r"(?:requested|contains at least|messages? (?:have|resulted in)|prompt has) (\d{1,9}) ")


class Trouble(StrEnum):
    """What the owner has to know of a backend."""

    UNREACHABLE = "it cannot be reached"
    UNTRUSTED = "its TLS certificate is not trusted"
    KEY = "it refuses the key (MYCELLM_BACKEND_KEY)"
    FORBIDDEN = "it refuses a request as forbidden"
    REDIRECT = "it redirects elsewhere, which is not followed: name the final URL"
    ABSENT = "it has no such path: the URL ends with /v1 in most cases"
    GARBLED = "it answers something that is not OpenAI's API"
    TOO_LARGE = "it answers more than is read"
    FAILED = "it reports an error of its own"
    SILENT = "it accepted a request and went silent"
    CUT = "it ended an answer in the middle"
    MISCOUNTED = "it made fewer tokens than it sent pieces of text; they are counted at the end from now on"
    UNCOUNTED = "it does not count tokens (usage), so nothing honest can be billed"


WITHDRAWING = frozenset((Trouble.UNREACHABLE, Trouble.UNTRUSTED, Trouble.KEY, Trouble.REDIRECT))
"""Troubles of the whole backend: its models are withdrawn until it lists them again."""


class BackendFault(Exception):  # noqa: N818 - the fault is the backend's
    """The backend failed. ``error`` is for whoever asked, ``status`` the HTTP status where there was one."""

    def __init__(self, trouble: Trouble, error: GenerationError | None = None, status: int | None = None) -> None:
        super().__init__(trouble.name)  # no words of the backend: exceptions are logged
        self.trouble = trouble
        self.error = error or GenerationError(ErrorCode.INTERNAL)
        self.status = status


def refusal(status: int, headers: Mapping[str, str], body: bytes, request: Content | None) -> Exception:
    """What an answer with that status means: a `GenerationError` where the request is to blame, else a `BackendFault`.

    ``request`` is what was asked, None for a question of the node's own.
    """
    if status == 401 or (status == 403 and request is None):
        return BackendFault(Trouble.KEY, status=status)
    if status == 403:  # what one request may provoke withdraws nothing
        return BackendFault(Trouble.FORBIDDEN, GenerationError(ErrorCode.UNSUPPORTED), status)
    if 300 <= status < 400:
        return BackendFault(Trouble.REDIRECT, status=status)
    if status in (429, 503, 529):
        return GenerationError(ErrorCode.BUSY, retry_after=_retry_after(headers))
    return _of_body(status, _error_object(body), request)


def _of_body(status: int, error: Mapping[str, Any], request: Content | None) -> Exception:
    if status >= 500:  # llama.cpp and others report a prompt that is too long so
        too_long = _too_long(error)
        return too_long if too_long is not None else BackendFault(Trouble.FAILED, status=status)
    if status == 404:
        return BackendFault(Trouble.ABSENT, GenerationError(ErrorCode.UNKNOWN_MODEL), status)
    return of_error(error, request)


def of_error(error: Mapping[str, Any], request: Content | None) -> Exception:
    """The same for an error object of OpenAI's form, which may also come in the middle of a stream."""
    if (too_long := _too_long(error)) is not None:
        return too_long
    kind, code = error.get("type"), error.get("code")
    if code == 429 or kind in ("rate_limit_error", "overloaded_error"):
        return GenerationError(ErrorCode.BUSY, retry_after=BUSY_S)
    if kind == "server_error" or (type(code) is int and code >= 500):
        return BackendFault(Trouble.FAILED)
    name = error.get("param")
    return unsupported(name if isinstance(name, str) else None, request)


def unsupported(name: str | None, request: Content | None) -> GenerationError:
    """UNSUPPORTED; it names the parameter where ``name`` is one that the request has."""
    wanted = {} if request is None or name is None else dict(features(request))
    if name is not None and name not in wanted:
        first = re.split(r"[.\[]", name)[0]
        name = NAMES.get(first, first)
    return GenerationError(
        ErrorCode.UNSUPPORTED, actual=wanted.get(name or ""), parameter=name if name in wanted else None
    )


def too_long(limit: int | None, actual: int | None) -> GenerationError:
    """CONTEXT_TOO_LONG: ``limit`` tokens fit the context, ``actual`` were asked for."""
    return GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=limit, actual=actual)


def _too_long(error: Mapping[str, Any]) -> GenerationError | None:
    said = str(error.get("message", ""))[:2000]
    known = error.get("code") == "context_length_exceeded" or error.get("type") == "exceed_context_size_error"
    found, asked = _MAXIMUM.search(said), _REQUESTED.search(said)
    if not known and found is None:
        return None
    limit, actual = error.get("n_ctx"), error.get("n_prompt_tokens")
    return too_long(
        limit if type(limit) is int else int(found[1]) if found else None,
        actual if type(actual) is int else int(asked[1]) if asked else None,
    )


def _error_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = value.get("error", value) if isinstance(value, dict) else {}
    return error if isinstance(error, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return min(float(text), MAX_RETRY_S) if text.isascii() and text.isdigit() and len(text) < 10 else BUSY_S
