"""``GET /openapi.json``: what this API takes and gives, made from the very types that check the bodies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .chat_body import REFUSED as CHAT_REFUSED
from .chat_body import WITHOUT_EFFECT, ChatBody
from .completions import REFUSED as COMPLETION_REFUSED
from .completions import CompletionBody
from .embeddings import EmbeddingBody
from .messages_body import CountBody, MessagesBody
from .responses_body import REFUSED as RESPONSE_REFUSED
from .responses_body import ResponseBody
from .tokens import DetokenizeBody, TokenizeBody

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

_INPUTS: dict[str, tuple[type[BaseModel], str, Iterable[str]]] = {
    "/chat/completions": (ChatBody, "A chat completion, whole or streamed.", CHAT_REFUSED),
    "/completions": (CompletionBody, "A text that goes on with a prompt, whole or streamed.", COMPLETION_REFUSED),
    "/embeddings": (EmbeddingBody, "A vector for each input.", ()),
    "/responses": (ResponseBody, "A response, whole or streamed.", RESPONSE_REFUSED),
    "/messages": (MessagesBody, "A message in Anthropic's shape, whole or streamed.", ()),
    "/messages/count_tokens": (CountBody, "How many tokens a request's input has.", ()),
    "/tokenize": (TokenizeBody, "Token ids of a text.", ()),
    "/detokenize": (DetokenizeBody, "The text of token ids.", ()),
}
_OUTPUTS = {
    "/health": ("State of the node; needs no key.", "application/json", (503,)),
    "/models": ("The models that can be asked now.", "application/json", ()),
    "/models/{model_id}": ("One model.", "application/json", (404,)),
    "/peers": ("The peers of this node; for its owner.", "application/json", (403,)),
    "/metrics": ("Figures for Prometheus; for its owner.", "text/plain", (403,)),
    "/openapi.json": ("This description.", "application/json", ()),
}
STREAMED = ("/chat/completions", "/completions", "/responses", "/messages")
WIDER: dict[str, dict[str, list[dict[str, Any]]]] = {
    # Written in two or more ways, of which the checked type holds one.
    "ChatBody": {"stop": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    "CompletionBody": {
        "stop": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "prompt": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}, "minItems": 1},
        ],
    },
    "EmbeddingBody": {
        "input": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 2048},
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}, "minItems": 1},
        ]
    },
    "ResponseBody": {"input": [{"type": "string"}, {"type": "array", "items": {"type": "object"}, "minItems": 1}]},
    "MessagesBody": {"system": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]},
    "CountBody": {"system": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
ERROR_STATUSES = (400, 401, 402, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504)


@functools.cache
def description() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for path, (body, text, refused) in _INPUTS.items():
        schemas |= _schemas(body, refused)
        content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
        if path in STREAMED:
            content["text/event-stream"] = {"schema": {"type": "string"}}
        paths[path] = {
            "post": {
                "summary": text,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
                },
                "responses": {"200": {"description": "The answer.", "content": content}} | _errors(ERROR_STATUSES),
            }
        }
    for path, (text, media, statuses) in _OUTPUTS.items():
        given: dict[str, Any] = {"summary": text}
        given["responses"] = {"200": {"description": "The answer.", "content": {media: {}}}}
        given["responses"] |= _errors((401, 403, 500, 503, *statuses))
        if "{model_id}" in path:
            place = {"name": "model_id", "in": "path", "required": True, "schema": {"type": "string"}}
            given["parameters"] = [place]
        paths[path] = {"get": given}
    paths["/responses"]["get"] = {"summary": "There is no WebSocket.", "responses": _errors((401, 403, 426))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mycellm node",
            "version": "1",
            "description": "Every path is served with /v1 before it too. Fields that are not named here are ignored.",
        },
        "servers": [{"url": "/v1"}, {"url": "/"}],
        "security": [{"bearer": []}, {"x-api-key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _schemas(body: type[BaseModel], refused: Iterable[str]) -> dict[str, Any]:
    """The schema of a body and of its parts, with the parameters that are refused by their names."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
    parts: dict[str, Any] = schema.pop("$defs", {})
    for name, forms in WIDER.get(body.__name__, {}).items():
        schema["properties"][name] = {"anyOf": [*forms, {"type": "null"}]}
    for name in refused:
        text = "Refused by its name, unless its value asks for nothing."
        schema["properties"][name] = {"description": text, "x-mycellm-refused": True}
    if body is ChatBody:
        for name in WITHOUT_EFFECT:
            schema["properties"][name] = {"description": "Accepted, and without effect."}
    prefix = body.__name__
    named = {prefix: schema, **{f"{prefix}.{name}": part for name, part in parts.items()}}
    renamed: dict[str, Any] = _renamed(named, prefix)
    return renamed


def _renamed(value: object, prefix: str) -> Any:  # noqa: ANN401 - any JSON in, any JSON out
    """References to parts under names that no other body's parts have."""
    if isinstance(value, dict):
        return {
            key: str(inner).replace("schemas/", f"schemas/{prefix}.") if key == "$ref" else _renamed(inner, prefix)
            for key, inner in value.items()
        }
    return [_renamed(item, prefix) for item in value] if isinstance(value, list) else value


def _errors(statuses: Iterable[int]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(status): {"description": "An error.", "content": content} for status in sorted(set(statuses))}
