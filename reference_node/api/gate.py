"""What every request passes first: a request id, the checks of who asks, and one log line without content.

On a loopback address no key is needed, but browsers are kept out: a page that reaches this port by DNS rebinding
carries its own name in Host, and one that posts blindly carries its origin. Elsewhere the key decides.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers

from .. import log
from ..secret import same_secret
from .errors import AUTHENTICATION, PERMISSION, SERVER, ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HOST_FORM = re.compile(r"([^:\[\]]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ADMIN_PATHS = "/admin/"
_PUBLIC_PATHS = frozenset({"/health", "/v1/health"})

_log = logging.getLogger(__name__)


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty when it is no such header."""
    found = _HOST_FORM.fullmatch(host)
    return found[1] if found else ""


def _presented_key(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def check_local(headers: Mapping[str, str], extra_host: str) -> None:
    """The check without a key. Raises `ApiError` 403. ``extra_host`` is the loopback name the API was bound to."""
    host = headers.get("host", "").lower()
    if _host_name(host) not in _LOCAL_NAMES | {extra_host}:
        message = "Without an API key this node answers to http://localhost and http://127.0.0.1 only."
        raise ApiError(403, message, kind=PERMISSION, code="wrong_host")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        message = "Without an API key this node does not answer to pages of other origins."
        raise ApiError(403, message, kind=PERMISSION, code="wrong_origin")


def check_key(headers: Mapping[str, str], key: str) -> None:
    """The check with a key. Raises `ApiError` 401."""
    if not same_secret(_presented_key(headers), key):
        message = "Send this node's API key as 'Authorization: Bearer KEY' or 'x-api-key: KEY'."
        raise ApiError(
            401, message, kind=AUTHENTICATION, code="invalid_api_key", headers={"www-authenticate": "Bearer"}
        )


def _options() -> Response:
    """What this API can do, to anyone; it grants no other origin anything."""
    return Response(status_code=204, headers={"allow": "GET, POST, OPTIONS"})


class Gate:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp, *, key: str | None, extra_host: str, admin: ASGIApp | None = None) -> None:
        self._app = app
        self._admin = admin
        self._key = key
        self._extra_host = extra_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as an ASGI application."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        asked = headers.get(REQUEST_ID, "")
        request_id = asked if _REQUEST_ID_FORM.fullmatch(asked) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((REQUEST_ID.encode(), request_id.encode()))
            await send(message)

        try:
            await self._pass(scope, headers, receive, noted)
        except Exception as error:  # noqa: BLE001 - the last place that can still answer
            log.failure(_log, "http.crashed", error, request_id=request_id)
            if not status:
                await _error(ApiError(500, _INTERNAL, kind=SERVER, code="internal_error"))(scope, receive, noted)
        finally:
            # The route's pattern and not the path: what stands in a path is the asker's own.
            path = getattr(scope.get("route"), "path", "(none)")
            taken = int((time.monotonic() - began) * 1000)
            fields: dict[str, log.Field] = {"method": scope["method"][:8], "route": path, "status": status}
            log.event(_log, logging.INFO, "http.request", **fields, duration_ms=taken, request_id=request_id)

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._admin is not None and scope["path"].startswith(_ADMIN_PATHS):
            return await self._admin(scope, receive, send)  # which has a gate of its own, and another key
        try:
            if self._key is None:
                check_local(headers, self._extra_host)
            elif scope["path"] not in _PUBLIC_PATHS and scope["method"] != "OPTIONS":
                check_key(headers, self._key)
        except ApiError as error:
            return await _error(error)(scope, receive, send)
        scope["state"]["trusted"] = self._key is None or same_secret(_presented_key(headers), self._key)
        app = _options() if scope["method"] == "OPTIONS" else self._app
        return await app(scope, receive, send)


_INTERNAL = "This request failed inside the node; its log says where (search for the x-request-id)."


def _error(error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status, headers=error.all_headers())
