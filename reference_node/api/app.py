"""The routes of the HTTP API, each with and without ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from mycellm_proto.content import Operation

from . import chat, completions, embeddings, messages, metrics, responses, tokens
from .access import account_of, usable
from .asking import Api, serve, serve_at_once
from .describe import description
from .dialects import error_body
from .errors import PERMISSION, SERVER, ApiError
from .gate import Gate
from .models import model_list, model_object

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .gate import Keys

HEALTH_RETRY_S = 1
"""How soon to ask again whether the node is ready."""

GENERATING = {
    "/chat/completions": chat.complete,
    "/completions": completions.complete,
    "/embeddings": embeddings.embed,
    "/responses": responses.respond,
    "/messages": messages.answer,
}
"""Routes that a model answers, in time."""
AT_ONCE = {
    "/messages/count_tokens": tokens.count_tokens,
    "/tokenize": tokens.tokenize,
    "/detokenize": tokens.detokenize,
}


def _health(api: Api, *, trusted: bool) -> JSONResponse:
    health = {**api.node.health(), "api": api.address}
    if not trusted:
        health.pop("peers", None)  # who this node is connected with is not for everybody
    if api.node.ready():
        return JSONResponse(health)
    return JSONResponse(health, status_code=503, headers={"retry-after": str(HEALTH_RETRY_S)})


def _owner_alone(request: Request) -> None:
    """Refuse what is this node's owner's to see. Raises `ApiError` 403."""
    if not account_of(request).trusted:
        message = "This is for the owner of this node: send the key in its file api.key."
        raise ApiError(403, message, kind=PERMISSION, code="owner_only")


def routes(api: Api) -> APIRouter:
    """The routes, without a prefix."""
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health(request: Request) -> Response:
        return _health(api, trusted=account_of(request).trusted)

    @router.api_route("/models", methods=["GET", "HEAD"])
    async def models(request: Request) -> Response:
        return JSONResponse(model_list(usable(account_of(request), api.node.catalog.models())))

    @router.api_route("/models/{model_id:path}", methods=["GET", "HEAD"])
    async def model(model_id: str, request: Request) -> Response:
        return JSONResponse(model_object(api.find(model_id, Operation.CHAT, account_of(request)).info))

    @router.get("/peers")
    async def peers(request: Request) -> Response:
        _owner_alone(request)
        found = api.node.health().get("peers")
        return JSONResponse({"object": "list", "data": found if isinstance(found, list) else []})

    @router.get("/metrics")
    async def figures(request: Request) -> Response:
        _owner_alone(request)
        return PlainTextResponse(api.metrics.text(api.node, api.exchanges), media_type=metrics.CONTENT_TYPE)

    @router.get("/openapi.json")
    async def described() -> Response:
        return JSONResponse(description())

    @router.get("/responses")
    async def websocket() -> Response:
        message = "Responses come over HTTP here, not over a WebSocket: send a POST."
        raise ApiError(426, message, code="upgrade_required", headers={"upgrade": "HTTP/1.1"})

    for path, begin in GENERATING.items():

        async def generating(request: Request, begin=begin) -> Response:  # type: ignore[no-untyped-def]  # noqa: ANN001
            return await serve(request, api, begin)

        router.add_api_route(path, generating, methods=["POST"], name=path)
    for path, answer in AT_ONCE.items():

        async def at_once(request: Request, answer=answer) -> Response:  # type: ignore[no-untyped-def]  # noqa: ANN001
            return await serve_at_once(request, api, answer)

        router.add_api_route(path, at_once, methods=["POST"], name=path)
    return router


async def _on_api_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    body = error_body(error, request.url.path, request.scope["state"]["request_id"])
    return JSONResponse(body, status_code=error.status, headers=error.all_headers())


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses, in the family's shape."""
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


def create_app(api: Api, *, keys: Keys, extra_host: str, admin: ASGIApp | None = None) -> ASGIApp:
    """The API. ``extra_host`` is the loopback name that it was bound to.

    ``admin`` answers what is asked under ``/admin/``, and decides who may.
    """
    app = FastAPI(
        openapi_url=None,  # `describe` writes it, and its pages would load scripts from elsewhere
        redirect_slashes=False,
        exception_handlers={ApiError: _on_api_error, HTTPException: _on_http_error, Exception: _on_crash},
    )
    for prefix in ("/v1", ""):
        app.include_router(routes(api), prefix=prefix)

    @app.api_route("/", methods=["GET", "HEAD"])
    async def root() -> Response:
        return JSONResponse({"name": "mycellm node", "api": "/v1", "description": "/openapi.json"})

    return Gate(app, keys=keys, extra_host=extra_host, metrics=api.metrics, admin=admin)
