"""The admin API as one ASGI application: routers behind the gate, errors in one shape, and its own description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ..identity import HomeError
from .errors import AdminError, ErrorBody
from .gate import AdminGate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp

PREFIX = "/admin/v1"
VERSION = "1"

_DESCRIPTION = """\
What the owner's commands do, for programs. Every request needs the node's admin key, also on loopback:
`Authorization: Bearer KEY`, with the key that is in `admin.key` in the node's home. The API key does not open it."""


def create_admin(key: str, routers: Iterable[APIRouter]) -> ASGIApp:
    """The API of ``routers``, whose paths begin after `PREFIX`."""
    app = FastAPI(
        title="mycellm node, admin API",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}},
        exception_handlers={
            AdminError: _on_error,
            HomeError: _on_home,
            RequestValidationError: _on_invalid,
            HTTPException: _on_http,
        },
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    return AdminGate(app, key)


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AdminError)
    return error.response()


async def _on_home(_request: Request, error: Exception) -> Response:
    """The home cannot be written or read: the disk, or who may open its files."""
    return AdminError(500, "home_unusable", str(error)).response()


async def _on_invalid(_request: Request, error: Exception) -> Response:
    """A body that is not what the description says. What was sent is not repeated: it may be secret."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    param = where if first["type"] != "json_invalid" else ""
    message = f"{param or 'The body'}: {first['msg']}. GET {PREFIX}/openapi.json describes it."
    return AdminError(400, "invalid_request", message, param=param or None).response()


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
        return AdminError(405, "method_not_allowed", message, headers=headers).response()
    if error.status_code == 404:
        message = f"There is no {request.url.path} here. GET {PREFIX}/openapi.json lists what is."
        return AdminError(404, "not_found", message).response()
    return AdminError(error.status_code, "invalid_request", "The body is not JSON that can be read.").response()
