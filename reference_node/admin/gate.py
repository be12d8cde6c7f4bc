"""What every request of the admin API passes first: the admin key, no browser, and bounds on what it may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from ..secret import same_secret
from .errors import AdminError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
"""The longest change: about a thousand node ids."""
BODY_TIMEOUT_S = 10.0
"""From the head of a request to the end of its body."""
MAX_REQUESTS = 32
"""At the same time: an owner with a few programs."""


class AdminGate:
    """ASGI middleware. The key is compared before anything else of a request is looked at."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as an ASGI application."""
        try:
            self._check(Headers(scope=scope))
            limited = await _read(Headers(scope=scope), receive)
        except AdminError as error:
            return await error.response()(scope, receive, send)
        self._running += 1
        try:
            return await self._app(scope, limited, send)
        finally:
            self._running -= 1

    def _check(self, headers: Headers) -> None:
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            raise AdminError(403, "browser_refused", "This API does not answer to pages in browsers.")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same_secret(token.strip(), self._key):
            message = "Send the admin key, which is in admin.key in the node's home, as 'Authorization: Bearer KEY'."
            raise AdminError(401, "invalid_admin_key", message, headers={"www-authenticate": "Bearer"})
        if self._running >= MAX_REQUESTS:
            message = f"{MAX_REQUESTS} requests are being answered. Try again."
            raise AdminError(429, "busy", message, headers={"retry-after": "1"})


async def _read(headers: Headers, receive: Receive) -> Receive:
    """The whole body, bounded in size and time, as what the application reads. Raises `AdminError`."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise AdminError(415, "unsupported_encoding", "Compressed bodies are not accepted. Send the JSON as it is.")
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise AdminError(400, "body_incomplete", "The connection was lost inside the body.")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        slow = f"The body was not complete after {BODY_TIMEOUT_S:.0f} seconds. Send it faster."
        raise AdminError(408, "body_timeout", slow, headers={"connection": "close"}) from None
    return _once(bytes(body), receive)


def _too_large() -> AdminError:
    message = f"The body is larger than {MAX_BODY_BYTES} bytes. Make the change in several requests."
    return AdminError(413, "body_too_large", message, headers={"connection": "close"})


def _once(body: bytes, receive: Receive) -> Receive:
    given = False

    async def read() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read
