"""``/admin/v1/owner``: the owner's controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ..owner import Changes, OwnerError
from .errors import AdminError

if TYPE_CHECKING:
    from ..owner import Owner

Ids = Annotated[list[str], Field(max_length=1000)]


class OwnerChanges(BaseModel):
    """A change of controls: all of it or nothing. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    price_in: int | None = Field(None, description="Price of one prompt token, in micro-credits.")
    price_out: int | None = Field(None, description="Price of one generated token, in micro-credits.")
    allowance: int | None = Field(None, description="Served unpaid in 24 hours to all consumers, in micro-credits.")
    max_spend: int | None = Field(None, description="Most that one request to a peer may cost, in micro-credits.")
    peer_slots: int | None = Field(None, description="Requests of peers answered at the same time; 0: no such bound.")
    paused: bool | None = Field(None, description="Offer nothing to peers, and take no request of theirs.")
    allow: Ids = Field([], description="Node ids, or `any`, that may use this node.")
    disallow: Ids = Field([], description="Node ids, or `any`, taken off that list. What runs goes on.")
    block: Ids = Field([], description="Node ids that are neither served nor used. What runs for them ends.")
    unblock: Ids = Field([], description="Node ids taken off that list.")
    share: dict[str, Ids | None] = Field(
        {}, max_length=1000, description="Models by network (`direct` or an id): [] for none, null for every model."
    )
    reset: list[str] = Field([], max_length=100, description="Controls that go back to the value of their setting.")

    def changes(self) -> Changes:
        """As the owner's controls take it."""
        values: dict[str, Any] = self.model_dump()
        values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        values["share"] = {name: None if models is None else tuple(models) for name, models in self.share.items()}
        return Changes(**values)


class Control(BaseModel):
    """One control."""

    value: Any = Field(description="What holds now.")
    setting: Any = Field(description="The value of its setting: flag, environment, file or default.")
    changed: bool = Field(description="Whether it was changed; then it wins over its setting until it is reset.")


class OwnerView(BaseModel):
    """Every control by name."""

    controls: dict[str, Control]


def owner_routes(owner: Owner) -> APIRouter:
    """The routes for ``owner``."""
    router = APIRouter(tags=["owner"])

    @router.get("/owner")
    async def show() -> OwnerView:
        """Every control: its value, and where it comes from."""
        return OwnerView.model_validate({"controls": owner.shown()})

    @router.patch("/owner")
    async def change(changes: OwnerChanges) -> OwnerView:
        """Change controls. The change is on the disk and in force when the answer comes."""
        try:
            owner.change(changes.changes())
        except OwnerError as error:
            raise AdminError(400, "invalid_change", str(error), param=error.param) from None
        return OwnerView.model_validate({"controls": owner.shown()})

    return router
