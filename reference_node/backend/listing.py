"""The models that a backend lists, as this node can offer them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mycellm_proto import limits
from reference_node.backend.dialect import abilities_of, dialect_of
from reference_node.backend.faults import BackendFault, Trouble
from reference_node.backend.manifest import proxied_digest
from reference_node.backend.model import Proxied
from reference_node.backend.transport import Transport
from reference_node.config import Settings
from reference_node.config.values import parse_model
from reference_node.generation import GenerationError, ModelInfo

CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Where engines and gateways tell a model's context length."""
MAX_OFFERED = limits.MAX_QUOTES
"""Models that are taken from one list: what one node can offer."""
NO_CONTEXT = "it tells no context length: set --backend-context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What can be served, and by name why other models cannot."""

    models: tuple[Proxied, ...]
    refused: Mapping[str, str]


async def read_listing(transport: Transport, settings: Settings, until: float) -> Listing:
    """Ask the backend. Raises `BackendFault`, `GenerationError`, `TimeoutError`."""
    value = await transport.get("/models", until=until)
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise BackendFault(Trouble.GARBLED)
    wanted = {each.name: each.id for each in settings.backend_model}
    listed = {each["id"]: each for each in data if isinstance(each.get("id"), str)}
    models: list[Proxied] = []
    refused = {name: "it is not listed" for name in wanted if name not in listed}
    for name, model in listed.items():
        if wanted and name not in wanted:
            continue
        if len(models) == MAX_OFFERED:
            refused["…"] = f"more than {MAX_OFFERED} models are listed: choose with --backend-model"
            break
        made = await _proxied(transport, settings, model, wanted.get(name, name), until)
        if isinstance(made, str):
            refused[name[: limits.MAX_MODEL_ID]] = made
        else:
            models.append(made)
    return Listing(models=tuple(models), refused=refused)


async def _proxied(
    transport: Transport, settings: Settings, model: Mapping[str, Any], model_id: str, until: float
) -> Proxied | str:
    """The model as it is served here, or why it cannot be."""
    name, dialect = str(model["id"]), dialect_of(model)
    try:
        parse_model(model_id)
        size = len(model_id.encode())
    except ValueError:
        size = limits.MAX_MODEL_ID + 1
    if size > limits.MAX_MODEL_ID:
        return "its name cannot be one here: give it another with --backend-model NAME=ID"
    context = _context(model)
    if context is None and dialect.beside:
        context = await _context_beside(transport, until)
    if settings.backend_context:
        context = min(settings.backend_context, context or settings.backend_context)
    if context is None:
        return NO_CONTEXT
    created = model.get("created")
    info = ModelInfo(
        id=model_id,
        digest=proxied_digest(name),
        context_length=min(context, limits.MAX_TOKENS),
        owner=_owner(model),
        created=created if type(created) is int and 0 < created < 1 << 40 else int(time.time()),
        abilities=abilities_of(model, dialect, embeds=name in settings.backend_embedding),
        proxied=True,
    )
    return Proxied(info=info, name=name, dialect=dialect)


def _context(model: Mapping[str, Any]) -> int | None:
    meta = model.get("meta")
    candidates = [model.get(key) for key in CONTEXT_KEYS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return next((each for each in candidates if type(each) is int and each > 1), None)


async def _context_beside(transport: Transport, until: float) -> int | None:
    """llama.cpp's server tells what each of its slots holds."""
    try:
        value = await transport.get_beside("/props", until=until)
        context = value["default_generation_settings"]["n_ctx"]
    except (BackendFault, GenerationError, TypeError, KeyError):
        return None
    return context if type(context) is int and context > 1 else None


def _owner(model: Mapping[str, Any]) -> str:
    owner = model.get("owned_by")
    fits = isinstance(owner, str) and 1 <= len(owner) <= 64 and owner.isprintable()
    return str(owner) if fits else "backend"
