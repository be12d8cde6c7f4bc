"""``GET /v1/models`` and ``/v1/models/{id}``: one object with the keys of OpenAI's and of Anthropic's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mycellm_proto.content import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..generation import ModelInfo


def model_object(info: ModelInfo) -> dict[str, Any]:
    """One model. ``context_length`` and ``max_model_len``, in tokens, are what local servers add."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(info.created))
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.owner,
        "type": "model",
        "display_name": info.id,
        "created_at": created,
        "context_length": info.context_length,
        "max_model_len": info.context_length,
        "operations": [operation.name.lower() for operation in Operation if operation in info.abilities.operations],
    }


def model_list(infos: Sequence[ModelInfo]) -> dict[str, Any]:
    """All models; there are never more pages."""
    data = [model_object(info) for info in infos]
    ends = {"first_id": infos[0].id, "last_id": infos[-1].id} if infos else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, "has_more": False, **ends}
