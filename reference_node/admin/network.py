"""``/admin/v1/networks``: the networks of this node, and what their authority does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mycellm_proto.limits import MAX_AMOUNT, MAX_NETWORK_MODELS, MAX_NETWORK_NAME, MAX_USES
from mycellm_proto.nodeid import decode_node_id

from ..config import parse_address, parse_peer
from ..keyring import KeyringError
from ..networks import (
    INVITE_LIFE_S,
    MAX_LABEL,
    NetworkError,
    UnknownNetworkError,
    parse_digest,
    parse_roles,
    terms,
)
from .errors import AdminError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..config import Address
    from ..networks import Desk
    from ..settlement import Balances

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Roles = list[Literal["consumer", "provider"]]
Quota = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="Granted once, in micro-credits.")]
Label = Annotated[str, Field(max_length=MAX_LABEL, description="For people: whose it is.")]
DAY_S = 24 * 3600
Value = TypeVar("Value")


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewNetwork(_Order):
    """What a new network is."""

    name: str = Field(max_length=MAX_NETWORK_NAME, description="a-z, 0-9, and . _ - after the first.")
    kind: Literal["public", "private", "org"] = "private"
    admission: Literal["open", "invite", "authority"] | None = Field(None, description="Default: by kind.")
    settlement: str | None = Field("self", description="`self`, a node id, or null for a network without accounts.")
    models: Annotated[list[Digest], Field(max_length=MAX_NETWORK_MODELS)] | None = Field(
        None, description="Digests of the only models that are served; null for any."
    )
    data_handling: Literal["open", "on_node"] = "open"


class NewInvite(_Order):
    """What the holder of an invite becomes."""

    uses: int = Field(1, ge=1, le=MAX_USES)
    roles: Roles = ["consumer"]
    quota: Quota = 0
    days: int = Field(INVITE_LIFE_S // DAY_S, ge=1, le=366)
    label: Label = ""
    address: str | None = Field(None, description="IP:PORT where members reach this node; default: where it listens.")


class Joining(_Order):
    """How to join: by an invite; or, without one, a network by its id, at the node of its authority."""

    invite: str | None = Field(None, max_length=4096, description="The text that begins with mycellm-invite:.")
    network: Digest | None = Field(None, description="The network's id, without an invite.")
    at: str | None = Field(None, max_length=256, description="NODEID@IP:PORT of the authority's node, with `network`.")
    as_node: bool = Field(default=False, description="As this node itself, not as its account.")


class Statement(_Order):
    """What an account says of its older node certificates."""

    statement: str = Field(max_length=4096, description="The text that begins with mycellm-account-epoch:.")


class Admitted(_Order):
    """A member without an invite, or other roles and a further quota for a member."""

    member: str = Field(max_length=128, description="A node id, or an account's id.")
    roles: Roles = ["consumer"]
    quota: Quota = 0
    label: Label = ""


def network_routes(desk: Desk, listening: Callable[[], list[Address]], balances: Balances) -> APIRouter:
    """The routes for ``desk`` and ``balances``; ``listening`` says where this node is reached."""
    router = APIRouter(tags=["networks"])

    @router.get("/networks")
    async def show(name: str | None = None) -> dict[str, Any]:
        """The networks that this node is in."""
        return _refused(lambda: desk.show(name))

    @router.get("/networks/balances")
    async def balance(name: str | None = None) -> dict[str, Any]:
        """What this node's member has, in micro-credits, in the networks with a settlement node."""
        try:
            return await balances.show(name)
        except NetworkError as error:
            raise _error(error) from None

    @router.post("/networks", status_code=201)
    async def create(order: NewNetwork) -> dict[str, Any]:
        """A new network, with this node as its authority."""
        models = None if order.models is None else [parse_digest(digest) for digest in order.models]
        return _refused(
            lambda: desk.create(
                terms(
                    order.name,
                    kind=order.kind,
                    admission=order.admission,
                    settlement=order.settlement,
                    models=models,
                    data_handling=order.data_handling,
                    node=desk.node,
                )
            )
        )

    @router.post("/networks/join", status_code=201)
    async def join(order: Joining) -> dict[str, Any]:
        """Become a member: by an invite, or of an open network, or where the authority has admitted this node."""
        if (order.invite is None) is (order.network is None) or (order.network is None) is not (order.at is None):
            raise AdminError(400, "invalid_request", "Send `invite` alone, or `network` with `at`.", param="invite")
        if order.invite is not None:
            return await _awaited(desk.join(order.invite, as_node=order.as_node))
        assert order.network is not None  # as was just checked
        assert order.at is not None
        where = _parsed("at", parse_peer, order.at)
        return await _awaited(desk.join_at(bytes.fromhex(order.network), where, as_node=order.as_node))

    @router.delete("/networks/{name}")
    async def leave(name: str) -> dict[str, Any]:
        """Be a member no more."""
        return _refused(lambda: desk.leave(name))

    @router.get("/networks/{name}/members")
    async def members(name: str) -> dict[str, Any]:
        """Everybody who is or was a member, and every invite."""
        return _refused(lambda: desk.members(name))

    @router.post("/networks/{name}/members", status_code=201)
    async def admit(name: str, order: Admitted) -> dict[str, Any]:
        """Admit a key without an invite, or give a member other roles and a further quota."""
        return _refused(
            lambda: desk.admit(
                name, _member(order.member), roles=parse_roles(order.roles), quota=order.quota, label=order.label
            )
        )

    @router.delete("/networks/{name}/members/{member}")
    async def revoke(name: str, member: str) -> dict[str, Any]:
        """Put a member out."""
        return _refused(lambda: desk.revoke(name, _member(member)))

    @router.post("/networks/{name}/revocations", status_code=201)
    async def revoke_certificates(name: str, order: Statement) -> dict[str, Any]:
        """Let an account's older node certificates be void; a member's node sends it to the authority's."""
        return await _awaited(desk.revoke_certificates(name, order.statement))

    @router.post("/networks/{name}/invites", status_code=201)
    async def invite(name: str, order: NewInvite) -> dict[str, Any]:
        """The text of a new invite. It is a secret: who has it may use it."""
        addresses = listening() if order.address is None else [_address(order.address)]
        return _refused(
            lambda: desk.invite(
                name,
                addresses,
                uses=order.uses,
                roles=parse_roles(order.roles),
                quota=order.quota,
                life_s=order.days * DAY_S,
                label=order.label,
            )
        )

    @router.delete("/networks/{name}/invites/{serial}")
    async def withdraw(name: str, serial: str) -> dict[str, Any]:
        """Let an invite be used no more."""
        return _refused(lambda: desk.withdraw(name, serial))

    return router


def _refused(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return action()
    except NetworkError as error:
        raise _error(error) from None


async def _awaited(action: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await action
    except NetworkError as error:
        raise _error(error) from None
    except KeyringError as error:
        raise AdminError(409, "keyring", str(error)) from None


def _error(error: NetworkError) -> AdminError:
    status = 404 if isinstance(error, UnknownNetworkError) else 409
    return AdminError(status, f"network_{error.code.name.lower()}", str(error))


def _member(text: str) -> bytes:
    return _parsed("member", decode_node_id, text)


def _address(text: str) -> Address:
    return _parsed("address", parse_address, text)


def _parsed(param: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise AdminError(400, "invalid_request", f"{text[:100]!r} cannot be used: {error}.", param=param) from None
