"""The routes of the HTTP API, each with and without ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from . import chat
from .errors import SERVER, ApiError
from .gate import Gate

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..generation import ModelInfo
    from .admission import Exchanges
    from .view import NodeView

HEALTH_RETRY_S = 1
"""How soon to ask again whether the node is ready."""


def _model(info: ModelInfo) -> dict[str, object]:
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.owner,
        "context_length": info.context_length,
    }


def _list(data: list[Any]) -> dict[str, object]:
    return {"object": "list", "data": data}


def _health(node: NodeView, address: str, *, trusted: bool) -> JSONResponse:
    health = {**node.health(), "api": address}
    if not trusted:
        health.pop("peers", None)  # who this node is connected with is not for everybody
    if node.ready():
        return JSONResponse(health)
    return JSONResponse(health, status_code=503, headers={"retry-after": str(HEALTH_RETRY_S)})


def routes(node: NodeView, exchanges: Exchanges, *, address: str, default_model: str, timeout_s: int) -> APIRouter:
    """The routes, without a prefix."""
    router = APIRouter()

    @router.get("/health")
    async def health(request: Request) -> Response:
        return _health(node, address, trusted=request.scope["state"]["trusted"])

    @router.get("/models")
    async def models() -> Response:
        return JSONResponse(_list([_model(info) for info in node.catalog.models()]))

    @router.get("/models/{model_id:path}")
    async def model(model_id: str) -> Response:
        return JSONResponse(_model(chat.find_model(node, model_id, default_model).info))

    @router.get("/peers")
    async def peers() -> Response:
        found = node.health().get("peers")
        return JSONResponse(_list(found if isinstance(found, list) else []))

    @router.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await chat.complete(
            request, node=node, exchanges=exchanges, default_model=default_model, timeout_s=timeout_s
        )

    return router


async def _on_api_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body(), status_code=error.status, headers=error.all_headers())


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses, in OpenAI's shape."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        message, code = f"{request.url.path} does not take {request.method}.", "method_not_allowed"
    else:
        message, code = f"There is no {request.url.path} here.", "not_found"
    return await _on_api_error(
        request, ApiError(error.status_code, message, code=code, headers=dict(error.headers or {}))
    )


async def _on_crash(request: Request, _error: Exception) -> Response:
    """The answer to a bug. The gate logs it."""
    message = "This request failed inside the node; its log says where (search for the x-request-id)."
    return await _on_api_error(request, ApiError(500, message, kind=SERVER, code="internal_error"))


def create_app(
    node: NodeView,
    exchanges: Exchanges,
    *,
    address: str,
    extra_host: str,
    key: str | None,
    default_model: str,
    timeout_s: int,
    admin: ASGIApp | None = None,
) -> ASGIApp:
    """The API of ``node`` at ``address`` ("host:port"); ``key`` None needs no key and admits loopback names only.

    ``admin`` answers what is asked under ``/admin/``, and decides who may.
    """
    app = FastAPI(
        openapi_url=None,  # its pages load scripts from elsewhere; the reference of this API is OpenAI's
        redirect_slashes=False,
        exception_handlers={ApiError: _on_api_error, HTTPException: _on_http_error, Exception: _on_crash},
    )
    for prefix in ("/v1", ""):
        app.include_router(
            routes(node, exchanges, address=address, default_model=default_model, timeout_s=timeout_s), prefix=prefix
        )
    return Gate(app, key=key, extra_host=extra_host, admin=admin)
