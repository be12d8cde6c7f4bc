"""``/admin/v1/drain``: finish what runs, then stay paused or end the node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Literal, Protocol

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from .. import log
from ..owner import Changes
from .errors import AdminError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..owner import Controls, Owner

MAX_WITHIN_S = 24 * 3600
WITHIN_S = 600
"""As long as the longest request may take by default."""

Then = Literal["pause", "exit"]
State = Literal["draining", "done", "cancelled"]

_log = logging.getLogger(__name__)


class DrainOrder(BaseModel):
    """How to drain."""

    model_config = ConfigDict(extra="forbid", strict=True)

    within_s: int = Field(
        WITHIN_S, ge=0, le=MAX_WITHIN_S, description="Seconds; what still runs then is ended, billed."
    )
    then: Then = Field("pause", description="`pause`: stay paused. `exit`: end the node; requests of its own API too.")


class DrainView(BaseModel):
    """A drain and how far it is."""

    state: State
    then: Then
    peers: int = Field(description="Requests of peers that are not over.")
    own: int = Field(description="Requests of this node's own API that are not over; `exit` waits for them.")
    seconds_left: float = Field(description="Until what still runs is ended.")
    ended: int = Field(description="Answers to peers that were ended at the deadline.")


class Provides(Protocol):
    """A node as its drain needs it."""

    owner: Owner

    @property
    def running(self) -> int:
        """Requests of peers that are not over."""
        ...

    def hold(self, held: bool) -> None:
        """Take no new request of peers."""

    async def idle(self) -> None:
        """Return when no request of a peer runs."""

    async def end_answers(self) -> int:
        """End what runs for peers; returns how many."""
        ...


class Serves(Protocol):
    """The node's own API as a drain needs it."""

    @property
    def running(self) -> int:
        """Requests in progress."""
        ...

    def refuse(self, refusing: bool) -> None:
        """Admit no new request, or do so again."""

    async def idle(self) -> None:
        """Return when no request runs."""


class Drain:
    """At most one at a time; another order replaces the first. ``leave`` ends the process."""

    def __init__(self, node: Provides, api: Serves, leave: Callable[[], None]) -> None:
        self._node = node
        self._api = api
        self._leave = leave
        self._task: asyncio.Task[None] | None = None
        self._then: Then = "pause"
        self._state: State = "done"
        self._due = 0.0
        self._ended = 0
        node.owner.subscribe(self._changed)

    def begin(self, order: DrainOrder) -> None:
        """Take nothing new, and wait for what runs. Raises `HomeError` when the pause cannot be kept."""
        if order.then == "pause":
            self._node.owner.change(Changes(paused=True))  # a restart stays paused
        self._stop()
        self._then, self._state, self._ended = order.then, "draining", 0
        self._due = time.monotonic() + order.within_s
        self._hold(held=True)
        self._task = asyncio.create_task(self._run(order.within_s), name="drain")
        log.event(_log, logging.INFO, "drain.begun", then=order.then, within_s=order.within_s, peers=self._node.running)

    def cancel(self) -> None:
        """Serve again as the controls say. Raises `AdminError` 409 when no drain is under way."""
        if self._state != "draining":
            raise AdminError(409, "not_draining", "No drain is under way. `owner resume` ends a pause.")
        self._stop()
        self._state = "cancelled"
        self._hold(held=False)
        log.event(_log, logging.INFO, "drain.cancelled")

    def view(self) -> DrainView | None:
        """How far the newest drain is; None before the first."""
        if self._task is None:
            return None
        left = max(0.0, self._due - time.monotonic()) if self._state == "draining" else 0.0
        return DrainView(
            state=self._state,
            then=self._then,
            peers=self._node.running,
            own=self._api.running,
            seconds_left=round(left, 1),
            ended=self._ended,
        )

    def _changed(self, before: Controls, after: Controls) -> None:
        """A pause that is taken back takes its drain with it."""
        if self._state == "draining" and before.paused and not after.paused:
            self.cancel()

    def _hold(self, *, held: bool) -> None:
        self._node.hold(held)
        self._api.refuse(held and self._then == "exit")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._hold(held=False)

    async def _run(self, within_s: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._node.idle()
                if self._then == "exit":
                    await self._api.idle()
        self._ended = await self._node.end_answers()
        self._state = "done"
        log.event(_log, logging.INFO, "drain.done", then=self._then, ended=self._ended)
        if self._then == "exit":
            self._leave()
        else:
            self._node.hold(held=False)  # the pause holds from here on, until `owner resume`


def drain_routes(drain: Drain) -> APIRouter:
    """The routes for ``drain``."""
    router = APIRouter(tags=["drain"])

    @router.get("/drain")
    async def show() -> DrainView | None:
        """The newest drain; null before the first."""
        return drain.view()

    @router.post("/drain", status_code=202)
    async def begin(order: DrainOrder) -> DrainView | None:
        """Take no new request of peers, and let what runs finish."""
        drain.begin(order)
        return drain.view()

    @router.delete("/drain")
    async def cancel() -> DrainView | None:
        """Stop draining: serve again as the controls say."""
        drain.cancel()
        return drain.view()

    return router
