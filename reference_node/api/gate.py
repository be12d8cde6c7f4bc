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
from ..apikeys import KeyStoreError
from ..identity import HomeError, stored_api_key
from ..secret import same_secret
from .access import KeyAccount, OwnerAccount, unusable
from .dialects import error_body
from .errors import AUTHENTICATION, PERMISSION, SERVER, ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..apikeys import KeyRing
    from .access import Account
    from .metrics import Metrics

REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HOST_FORM = re.compile(r"([^:\[\]]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ADMIN_PATHS = "/admin/"
_PUBLIC_PATHS = frozenset({"/", "/health", "/v1/health"})
"""Clients look at the first before they ask anything, without a key."""

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


class Keys:
    """The keys that let in: the owner's ``key``, and those of `KeyRing`. None, and no others: no key is needed.

    The first key that the owner gives away makes one necessary for everybody, while the node runs. The owner's own is
    then read from ``home``, where `apikeys create` has made it.
    """

    def __init__(self, key: str | None, ring: KeyRing, home: Path) -> None:
        self._key, self._ring, self._home = key, ring, home

    def required(self) -> bool:
        """Whether a key is needed. Raises `KeyStoreError`."""
        return self._key is not None or self._ring.required()

    def account(self, presented: str) -> Account | None:
        """Who presents this key; None: nobody that is known. Raises `KeyStoreError`, `HomeError`."""
        if self._key is None:
            self._key = stored_api_key(self._home)
        if self._key is not None and same_secret(presented, self._key):
            return OwnerAccount()
        use = self._ring.find(presented)
        return None if use is None else KeyAccount(use)


def unknown_key() -> ApiError:
    """The refusal of a key."""
    message = "Send this node's API key as 'Authorization: Bearer KEY' or 'x-api-key: KEY'."
    return ApiError(401, message, kind=AUTHENTICATION, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _options() -> Response:
    """What this API can do, to anyone; it grants no other origin anything."""
    return Response(status_code=204, headers={"allow": "GET, POST, OPTIONS"})


class Gate:
    """ASGI middleware, the outermost one."""

    def __init__(
        self, app: ASGIApp, *, keys: Keys, extra_host: str, metrics: Metrics, admin: ASGIApp | None = None
    ) -> None:
        self._app = app
        self._admin = admin
        self._keys = keys
        self._extra_host = extra_host
        self._metrics = metrics

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
                headers = message.setdefault("headers", [])
                headers += [(name, request_id.encode()) for name in (REQUEST_ID.encode(), b"request-id")]
            await send(message)

        try:
            await self._pass(scope, headers, receive, noted)
        except Exception as error:  # noqa: BLE001 - the last place that can still answer
            log.failure(_log, "http.crashed", error, request_id=request_id)
            if not status:
                await _error(ApiError(500, _INTERNAL, kind=SERVER, code="internal_error"), scope)(scope, receive, noted)
        finally:
            # The route's pattern and not the path: what stands in a path is the asker's own.
            path = getattr(scope.get("route"), "path", "(none)")
            seconds = time.monotonic() - began
            self._metrics.request(path, scope["method"], status, seconds)
            fields: dict[str, log.Field] = {"method": scope["method"][:8], "route": path, "status": status}
            log.event(
                _log, logging.INFO, "http.request", **fields, duration_ms=int(seconds * 1000), request_id=request_id
            )

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._admin is not None and scope["path"].startswith(_ADMIN_PATHS):
            return await self._admin(scope, receive, send)  # which has a gate of its own, and another key
        try:
            scope["state"]["account"] = self._account(scope, headers)
        except ApiError as error:
            return await _error(error, scope)(scope, receive, send)
        app = _options() if scope["method"] == "OPTIONS" else self._app
        return await app(scope, receive, send)

    def _account(self, scope: Scope, headers: Headers) -> Account:
        """Who asks. Raises `ApiError`."""
        try:
            if not self._keys.required():
                check_local(headers, self._extra_host)
                return OwnerAccount()
            if (account := self._keys.account(_presented_key(headers))) is not None:
                return account
        except (KeyStoreError, HomeError) as error:
            raise unusable(error) from None
        if scope["path"] in _PUBLIC_PATHS or scope["method"] == "OPTIONS":
            return OwnerAccount(trusted=False)
        raise unknown_key()


_INTERNAL = "This request failed inside the node; its log says where (search for the x-request-id)."


def _error(error: ApiError, scope: Scope) -> JSONResponse:
    body = error_body(error, scope["path"], scope["state"]["request_id"])
    return JSONResponse(body, status_code=error.status, headers=error.all_headers())
