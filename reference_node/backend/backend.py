"""The backend that the settings name: watched, its models offered while it answers and withdrawn while it does not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mycellm_proto.errors import ErrorCode
from reference_node import log
from reference_node.backend.faults import WITHDRAWING, BackendFault, Trouble
from reference_node.backend.listing import Listing, read_listing
from reference_node.backend.model import Desk, Proxied, ProxiedModel
from reference_node.backend.transport import Transport
from reference_node.config import Settings
from reference_node.generation import GenerationError, ModelInfo

LISTING_S = 15.0
"""What a list of models may take."""
POLL_S = 30.0
"""Between two looks at a backend that answers."""
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
"""Between two tries of one that does not: doubled each time, up to the last."""
NOTHING = "it lists no model that can be served"
UNCOUNTED_S = 600.0
"""How long a model is not offered whose tokens were not counted."""

_log = logging.getLogger(__name__)


class BackendState(StrEnum):
    """Whether it answers."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """How it is: ``detail`` says why it is down, ``models`` are served, ``refused`` says why others are not.

    Its URL is not in it: everybody may ask for a node's health.
    """

    state: BackendState
    detail: str
    models: tuple[str, ...]
    refused: dict[str, str]
    active: int


async def examine(settings: Settings) -> Listing | str:
    """One look at the backend that the settings name: what it lists, or what is wrong with it."""
    assert settings.backend is not None  # whoever calls this has looked
    transport = Transport(settings.backend, settings.backend_key, 2)
    try:
        return await _listed(transport, settings)
    except BackendFault as fault:
        return fault.trouble.value
    finally:
        await transport.aclose()


async def _listed(transport: Transport, settings: Settings) -> Listing:
    """Raises `BackendFault`."""
    until = asyncio.get_running_loop().time() + LISTING_S
    try:
        return await read_listing(transport, settings, until)
    except TimeoutError:
        raise BackendFault(Trouble.UNREACHABLE) from None
    except GenerationError:
        raise BackendFault(Trouble.FAILED) from None


class Backend:
    """``changed`` is called when a model begins or ceases to be served."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        assert settings.backend is not None  # whoever makes this has looked
        self._settings, self._changed = settings, changed
        self._transport = Transport(settings.backend, settings.backend_key, settings.backend_slots * 2)
        self._desk = Desk(
            transport=self._transport,
            secret=os.urandom(32),
            admit=self._admit,
            release=self._release,
            troubled=self._troubled,
        )
        self._models: dict[str, Proxied] = {}
        self._refused: dict[str, str] = {}
        self._uncounted: dict[str, float] = {}  # by name there, until when
        self._state, self._detail = BackendState.CONNECTING, ""
        self._active, self._withdrawn = 0, False
        self._look = asyncio.Event()

    # What others ask

    def infos(self) -> Sequence[ModelInfo]:
        """The models that are served now."""
        return [] if self._withdrawn else [model.info for model in self._models.values()]

    def busy(self) -> list[tuple[ModelInfo, int]]:
        """The models that are served now, each with its requests under way."""
        return [(info, self._models[info.id].active) for info in self.infos()]

    def find(self, model_id: str, owner: bytes) -> ProxiedModel | None:
        """What serves a model to one owner; None where nothing does."""
        model = None if self._withdrawn else self._models.get(model_id)
        return None if model is None else ProxiedModel(self._desk, model, owner)

    def status(self) -> BackendStatus:
        """How it is."""
        return BackendStatus(
            state=self._state,
            detail=self._detail,
            models=tuple(info.id for info in self.infos()),
            refused=dict(self._refused),
            active=self._active,
        )

    # What changes it

    async def watch(self) -> None:
        """List its models, now and again, until cancelled."""
        retry = FIRST_RETRY_S
        while True:
            self._look.clear()
            try:
                listing = await _listed(self._transport, self._settings)
            except BackendFault as fault:
                self._down(fault.trouble)
            except Exception as error:  # noqa: BLE001 - what this node did not foresee is no reason to give up for ever
                log.failure(_log, "backend.crashed", error)
                self._down(Trouble.GARBLED)
            else:
                self._up(listing)
            up = bool(self._models)  # one that has loaded nothing yet is asked again soon
            delay = POLL_S if up else retry * random.uniform(0.75, 1.25)
            retry = FIRST_RETRY_S if up else min(2 * retry, LAST_RETRY_S)
            if up:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._look.wait()
                delay = FIRST_RETRY_S  # however many requests fail
            await asyncio.sleep(delay)

    def withdraw(self) -> None:
        """Serve nothing more; what runs goes on. Whoever says so tells it."""
        self._withdrawn = True

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    # Inside

    def _up(self, listing: Listing) -> None:
        if self._state is not BackendState.UP:
            self._uncounted.clear()  # it may be another by now
        now = asyncio.get_running_loop().time()
        self._uncounted = {name: until for name, until in self._uncounted.items() if until > now}
        before = {key: model.info for key, model in self._models.items()}
        models: dict[str, Proxied] = {}
        for model in listing.models:
            known = self._models.get(model.info.id)
            created = model.info if known is None else replace(model.info, created=known.info.created)
            same = known is not None and (known.info, known.name, known.dialect) == (created, model.name, model.dialect)
            if model.name not in self._uncounted:
                models[model.info.id] = known if same and known is not None else model
        self._models, self._refused = models, {**listing.refused, **self._uncounted_reasons()}
        news = self._state is not BackendState.UP
        self._state, self._detail = BackendState.UP, "" if models else NOTHING
        if news or before != {key: model.info for key, model in models.items()}:
            log.event(_log, logging.INFO, "backend.models", models=", ".join(models))
            self._changed()

    def _down(self, trouble: Trouble) -> None:
        if (self._state, self._detail) != (BackendState.DOWN, trouble.value):
            log.event(_log, logging.ERROR, "backend.down", trouble=trouble.name.lower())
        self._state, self._detail = BackendState.DOWN, trouble.value
        had, self._models, self._refused = bool(self._models), {}, {}
        if had:
            self._changed()

    def _uncounted_reasons(self) -> dict[str, str]:
        return dict.fromkeys(self._uncounted, Trouble.UNCOUNTED.value)

    def _troubled(self, fault: BackendFault, model: Proxied) -> None:
        """A request failed: what concerns all is withdrawn at once, and the backend is looked at."""
        log.event(
            _log, logging.WARNING, "backend.failed",
            trouble=fault.trouble.name.lower(), status=fault.status, model=model.info.id,
        )  # fmt: skip
        if fault.trouble in WITHDRAWING:
            self._down(fault.trouble)
        elif fault.trouble is Trouble.UNCOUNTED:
            self._uncounted[model.name] = asyncio.get_running_loop().time() + UNCOUNTED_S
            self._refused |= self._uncounted_reasons()
            if self._models.pop(model.info.id, None) is not None:
                self._changed()
        self._look.set()

    def _admit(self, model: Proxied) -> None:
        if self._active >= self._settings.backend_slots:
            raise GenerationError(ErrorCode.BUSY, retry_after=1.0)
        self._active += 1
        model.active += 1

    def _release(self, model: Proxied) -> None:
        self._active -= 1
        model.active -= 1
