"""``/admin/v1/discovery``: what this node knows of others, and asking for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mycellm_proto.economy import DIRECT_NETWORK

from ..config.sharing import DIRECT
from ..networks import NetworkError
from .errors import AdminError

if TYPE_CHECKING:
    from ..discovery import Discovery
    from ..networks import Networks


class Search(BaseModel):
    """Where to look."""

    model_config = ConfigDict(extra="forbid", strict=True)

    network: str | None = Field(None, max_length=128, description="`direct`, or a network's name or id; null for all.")


def discovery_routes(discovery: Discovery, networks: Networks) -> APIRouter:
    """The routes for ``discovery``."""
    router = APIRouter(tags=["discovery"])

    @router.get("/discovery")
    async def show(network: str | None = None) -> dict[str, Any]:
        """The records of other nodes that this one keeps, and what the LAN shows."""
        return discovery.view(_network(networks, network))

    @router.post("/discovery/find")
    async def find(search: Search) -> dict[str, Any]:
        """Ask connected peers for others now. What is found is dialed as it comes, within the bounds."""
        network = _network(networks, search.network)
        asked = await discovery.find(network)
        return {"asked": asked} | discovery.view(network)

    return router


def _network(networks: Networks, name: str | None) -> bytes | None:
    if name is None:
        return None
    if name == DIRECT:
        return DIRECT_NETWORK
    try:
        return networks.find(name).id
    except NetworkError as error:
        raise AdminError(404, f"network_{error.code.name.lower()}", str(error), param="network") from None
