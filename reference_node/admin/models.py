"""``/admin/v1/models``: the models of this machine, loaded and unloaded while the node runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from ..models import ModelError
from .errors import AdminError

if TYPE_CHECKING:
    from ..node.local import ModelStatus

MAX_NAME = 128

Name = Annotated[str, Path(min_length=1, max_length=MAX_NAME, description="A model id, as `models list` shows it.")]


class ModelView(BaseModel):
    """One model that is or was to be served here."""

    id: str
    state: str = Field(description="waiting, loading, ready, draining or failed.")
    detail: str = Field(description="Why it failed; `proxied` for one of --backend; else empty.")
    active: int = Field(description="Requests under way.")
    memory: int = Field(description="Bytes that it may take: weights and KV cache.")


class ModelsView(BaseModel):
    """Every model that is or was to be served here."""

    models: list[ModelView]


class Loads(Protocol):
    """The models of a node as their routes need them."""

    def status(self) -> Sequence[ModelStatus]:
        """Every model."""
        ...

    async def load(self, name: str) -> None:
        """Serve a model. Raises `ModelError`, whose text says what to do."""

    async def unload(self, name: str) -> None:
        """Serve it no more; returns when its memory is free. Raises as `load` does."""


def model_routes(local: Loads) -> APIRouter:
    """The routes for ``local``."""
    router = APIRouter(tags=["models"])

    def view() -> ModelsView:
        return ModelsView(
            models=[
                ModelView(
                    id=each.name, state=each.state.value, detail=each.detail, active=each.active, memory=each.memory
                )
                for each in local.status()
            ]
        )  # fmt: skip

    @router.get("/models")
    async def show() -> ModelsView:
        """Every model that is or was to be served here."""
        return view()

    @router.post("/models/{name}/load")
    async def load(name: Name) -> ModelsView:
        """Serve an installed model too. The answer comes when it is ready; it is refused where memory is short."""
        try:
            await local.load(name)
        except ModelError as error:
            raise AdminError(409, "model_not_loaded", str(error), param="name") from None
        return view()

    @router.post("/models/{name}/unload")
    async def unload(name: Name) -> ModelsView:
        """Serve a model no more. It takes no new request at once; the answer comes when its last one is over."""
        try:
            await local.unload(name)
        except ModelError as error:
            raise AdminError(409, "model_not_unloaded", str(error), param="name") from None
        return view()

    return router
