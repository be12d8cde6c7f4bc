"""HTTP to the one configured place: the only module that knows the HTTP client.

No redirect is followed, no proxy and no password is taken from the environment, no cookie is kept, no answer is
inflated, and certificates are verified. Every wait and every body has its bound.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from mycellm_proto.content import Content
from mycellm_proto.errors import ErrorCode
from reference_node.backend.faults import BackendFault, Trouble, of_error, refusal
from reference_node.backend.lines import EventReader, TooLargeError
from reference_node.config import BackendUrl
from reference_node.generation import GenerationError

CONNECT_S = 10.0
"""Seconds to connect, and to hand the request over."""
SILENCE_S = 60.0
"""Seconds without a byte in the middle of an answer; a keep-alive comment is a sign of life."""
MAX_BODY = 64 << 20
"""Bytes of an answer that is not streamed: 2,048 vectors fit."""
MAX_ERROR = 1 << 16
"""Bytes of an error that are looked at."""
THREAD_BYTES = 1 << 20
"""JSON beyond this is parsed in a thread, so that the node does not stand still meanwhile."""


class Transport:
    """Connections to one backend. ``key`` goes into the header authorization of every request, unless it is empty."""

    def __init__(self, url: BackendUrl, key: str, connections: int) -> None:
        self._base = str(url)
        headers = {"user-agent": "mycellm", "accept-encoding": "identity", "content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(CONNECT_S, read=None),  # reads are timed by who waits
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=16),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def get(self, path: str, *, until: float) -> Any:  # noqa: ANN401 - JSON
        """What stands at ``path``, a constant of this package.

        Raises `BackendFault`, `GenerationError`, and `TimeoutError` at ``until``, a time of the running loop.
        """
        async with self._asked("GET", self._base + path, None, None, until) as response:
            return await _whole(response, until)

    async def get_beside(self, path: str, *, until: float) -> Any:  # noqa: ANN401 - JSON
        """The same for a path beside the API's own ``/v1``."""
        async with self._asked("GET", self._base.removesuffix("/v1") + path, None, None, until) as response:
            return await _whole(response, until)

    async def post(self, path: str, body: Mapping[str, Any], request: Content, *, until: float) -> Any:  # noqa: ANN401
        """A whole answer to ``body``, made of ``request``. Raises as `get` does."""
        async with self._asked("POST", self._base + path, body, request, until) as response:
            return await _whole(response, until)

    @asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, Any], request: Content, *, until: float
    ) -> AsyncIterator[EventStream]:
        """The same as a stream of events; leaving closes the connection, which ends the work there."""
        async with self._asked("POST", self._base + path, body, request, until) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise BackendFault(Trouble.GARBLED, status=response.status_code)
            yield EventStream(response, request)

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, body: Mapping[str, Any] | None, request: Content | None, until: float
    ) -> AsyncIterator[httpx.Response]:
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        try:
            made = self._client.build_request(method, url, content=content)
            async with asyncio.timeout_at(until):
                response = await self._client.send(made, stream=True)
        except httpx.PoolTimeout:
            raise GenerationError(ErrorCode.BUSY, retry_after=1.0) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(error) from None
        try:
            if response.status_code != 200:
                said = await _read(response, MAX_ERROR, until, cut=True)
                raise refusal(response.status_code, response.headers, said, request)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise BackendFault(Trouble.GARBLED, status=response.status_code)
            yield response
        except (httpx.HTTPError, httpx.StreamError):
            raise BackendFault(Trouble.CUT) from None
        finally:
            await response.aclose()


class EventStream:
    """The events of one answer as parsed JSON objects."""

    def __init__(self, response: httpx.Response, request: Content) -> None:
        self._bytes = response.aiter_raw()
        self._request = request
        self._reader = EventReader()
        self._waiting: list[bytes] = []

    async def next(self, *, until: float, silence: float = SILENCE_S) -> Mapping[str, Any] | None:
        """The next one; None after the last.

        Raises `BackendFault`, also after ``silence`` seconds without a byte, `GenerationError`, and `TimeoutError`.
        """
        while not self._waiting:
            received = await _piece(self._bytes, until, silence)
            if received is None:
                raise BackendFault(Trouble.CUT)  # without its last word
            try:
                self._waiting = self._reader.feed(received)
            except TooLargeError:
                raise BackendFault(Trouble.TOO_LARGE) from None
        event = self._waiting.pop(0)
        if event.strip() == b"[DONE]":
            return None
        value = _parsed(event)
        if not isinstance(value, dict):
            raise BackendFault(Trouble.GARBLED)
        if isinstance(error := value.get("error"), dict):
            raise of_error(error, self._request)
        if value.get("error") is not None:
            raise BackendFault(Trouble.FAILED)
        return value


async def _piece(pieces: AsyncIterator[bytes], until: float, silence: float = SILENCE_S) -> bytes | None:
    """The next bytes; None where there are no more."""
    silent_at = asyncio.get_running_loop().time() + silence
    try:
        async with asyncio.timeout_at(min(until, silent_at)):
            return await anext(pieces, None)
    except TimeoutError:
        if until <= silent_at:
            raise
        raise BackendFault(Trouble.SILENT, GenerationError(ErrorCode.TIMEOUT)) from None


async def _whole(response: httpx.Response, until: float) -> Any:  # noqa: ANN401 - JSON
    body = await _read(response, MAX_BODY, until)
    return _parsed(body) if len(body) < THREAD_BYTES else await asyncio.to_thread(_parsed, body)


async def _read(response: httpx.Response, most: int, until: float, *, cut: bool = False) -> bytes:
    """The body, or what of it comes within ``most`` bytes where it may be ``cut``."""
    body = bytearray()
    pieces = response.aiter_raw()
    while (piece := await _piece(pieces, until)) is not None:
        body += piece
        if len(body) > most:
            if cut:
                return bytes(body[:most])
            raise BackendFault(Trouble.TOO_LARGE)
    return bytes(body)


def _parsed(text: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BackendFault(Trouble.GARBLED) from None


def _unreachable(error: Exception) -> BackendFault:
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return BackendFault(Trouble.CUT)
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    return BackendFault(Trouble.UNTRUSTED if untrusted else Trouble.UNREACHABLE)
