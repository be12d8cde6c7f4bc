"""Reading a request's body: bounded in bytes, time and depth, and strict about JSON."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

MAX_BODY_BYTES = 4 << 20
"""A conversation of a million tokens is about this long; enforced while reading."""

BODY_TIMEOUT_S = 30.0
"""From the head of a request to the end of its body: slower senders hold a connection for nothing."""

MAX_INTEGER_CHARS = 20
"""Every integer of this API fits 64 bits; Python would spend quadratic time on longer ones."""


async def read_body(request: Request, hold: Callable[[int], None]) -> bytes:
    """The whole body; ``hold`` is told the size of every piece before it is kept. Raises `ApiError`."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "Compressed bodies are not accepted. Send the JSON as it is.", code="unsupported_encoding")
    declared = request.headers.get("content-length", "0")
    if len(declared) > MAX_INTEGER_CHARS or (declared.isdigit() and int(declared) > MAX_BODY_BYTES):
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                if len(body) + len(chunk) > MAX_BODY_BYTES:
                    raise _too_large()
                hold(len(chunk))
                body += chunk
    except TimeoutError:
        message = f"The body was not complete after {BODY_TIMEOUT_S:.0f} seconds. Send it faster."
        raise ApiError(408, message, code="body_timeout", headers={"connection": "close"}) from None
    except ClientDisconnect:
        raise ApiError(400, "The connection was lost inside the body.", code="body_incomplete") from None
    return bytes(body)


def _too_large() -> ApiError:
    message = f"The body is larger than {MAX_BODY_BYTES} bytes. Send a shorter conversation."
    return ApiError(413, message, code="body_too_large")


class _NotStrictError(ValueError):
    """JSON that Python would take and RFC 8259 or this API does not."""


def _constant(name: str) -> None:
    raise _NotStrictError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_CHARS:
        raise _NotStrictError("an integer is too large")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotStrictError("a number is too large")
    return value


def parse_object(body: bytes) -> dict[str, object]:
    """The JSON object in ``body``. Raises `ApiError` 400."""
    try:
        value = json.loads(body.decode(), parse_constant=_constant, parse_int=_integer, parse_float=_number)
        if b"\\u" in body:  # only an escape can be half of a surrogate pair, which is no text
            json.dumps(value, ensure_ascii=False).encode()
    except _NotStrictError as error:
        raise _invalid(str(error)) from None
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise _invalid("the bytes are not UTF-8") from None
    except UnicodeEncodeError:
        raise _invalid("a string holds half of a surrogate pair") from None
    except RecursionError:
        raise _invalid("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise _invalid("it is not an object {…}")
    return value


def _invalid(reason: str) -> ApiError:
    return ApiError(400, f"The body must be a JSON object: {reason}.", code="invalid_json")
