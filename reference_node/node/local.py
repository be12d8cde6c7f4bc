"""The models of this machine: several at once, loaded and unloaded while the node runs.

A model is installed, verified and started in the background, one after another, as each wants the whole processor; it
is refused where the memory does not suffice. A model that is unloaded takes no new request from then on, and its memory
is freed when what it answers is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from .. import log
from ..backend import Backend
from ..config import DEFAULT_MODEL
from ..engine import (
    CUDA_VARIANT,
    LOCAL_OWNER,
    Answering,
    Device,
    EngineError,
    EngineOptions,
    InFlight,
    OwnedGenerator,
    load_engine,
    pick_device,
)
from ..models import EMBEDDING_ID, InstalledModel, ModelError, ModelStore, Progress
from ..scripted import SCRIPTED_MODEL, ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..config import Settings
    from ..engine import EmbeddingEngine, Engine
    from ..generation import Generator, ModelInfo

_log = logging.getLogger(__name__)


class ModelState(StrEnum):
    """How far a model is."""

    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One model of this machine. ``detail`` says why it failed, or that it is a backend's (proxied); ``active`` counts
    requests under way; ``memory`` is what it may take, in bytes, where that is known.
    """

    name: str
    state: ModelState
    detail: str
    active: int
    memory: int


@dataclass(slots=True, eq=False)
class _Entry:
    name: str
    state: ModelState = ModelState.WAITING
    detail: str = ""
    served: Generator | None = None
    loaded: Engine | EmbeddingEngine | None = None
    in_flight: InFlight = field(default_factory=InFlight)

    def owned_by(self, owner: bytes) -> Generator | None:
        if isinstance(self.served, Answering):
            return OwnedGenerator(self.served, owner, self.in_flight)
        return self.served


class LocalModels:
    """What this node runs, and what a backend runs for it. ``engine`` given takes the place of the models that the
    settings name.

    ``changed`` is called when a model begins or ceases to be served.
    """

    def __init__(self, settings: Settings, engine: Generator | None, changed: Callable[[], None]) -> None:
        self.progress = Progress(stage="starting", done=0, total=0, detail="")
        self._settings, self._changed = settings, changed
        self._names: tuple[str, ...] = () if settings.no_model else settings.model
        self._entries: dict[str, _Entry] = {}
        self._unloaded: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._backend = None if settings.backend is None else Backend(settings, changed)
        if engine is not None:
            self._names = (engine.info.id,)
            self._entries[engine.info.id] = _Entry(engine.info.id, ModelState.READY, served=engine)

    def serve(self, engine: Generator) -> None:
        """Serve one more, whose end is the caller's."""
        self._entries[engine.info.id] = _Entry(engine.info.id, ModelState.READY, served=engine)
        self._changed()

    # What others ask

    def infos(self) -> Sequence[ModelInfo]:
        """The models that are served now, in the order in which they were to be loaded; then the backend's."""
        own = {served.info.id: served.info for _, served in self._serving()}
        proxied = () if self._backend is None else self._backend.infos()
        return [*own.values(), *(info for info in proxied if info.id not in own)]

    def find(self, model_id: str, owner: bytes = LOCAL_OWNER) -> Generator | None:
        """What serves a model to one owner (see `reference_node.engine.owners`); None while nothing does."""
        for entry, served in self._serving():
            if served.info.id == model_id:
                return entry.owned_by(owner)
        return None if self._backend is None else self._backend.find(model_id, owner)

    @property
    def ready(self) -> bool:
        """Whether the first model of the settings answers, or was unloaded by the owner, so that nobody waits for it;
        without one, whether the backend does, if there is one.
        """
        if self._names:
            if self._names[0] in self._unloaded and self._names[0] not in self._entries:
                return True
            return self._state(self._names[0]) is ModelState.READY
        return self._backend is None or bool(self._backend.infos())

    @property
    def failure(self) -> str | None:
        """Why the first model of the settings does not answer, if it never will."""
        entry = self._entries.get(self._names[0]) if self._names else None
        return entry.detail if entry is not None and entry.state is ModelState.FAILED else None

    def health(self) -> dict[str, object]:
        """How far the first model is, and how the backend is where there is one, as JSON."""
        failure, backend = self.failure, None if self._backend is None else self._backend.status()
        progress = self.progress
        if backend is not None and not self._names:
            progress = Progress(stage="backend", done=0, total=0, detail=backend.detail)
        health: dict[str, object] = {
            "status": "ok" if self.ready else "failed" if failure is not None else "starting",
            "progress": {
                "stage": "failed" if failure is not None else "ready" if self.ready else progress.stage,
                "done": progress.done,
                "total": progress.total,
                "detail": failure or progress.detail,
            },
        }
        return health if backend is None else {**health, "backend": asdict(backend)}

    def status(self) -> list[ModelStatus]:
        """Every model that is or was to be served."""
        return [
            ModelStatus(
                name=entry.name,
                state=entry.state,
                detail=entry.detail,
                active=entry.in_flight.count,
                memory=0 if entry.loaded is None else entry.loaded.memory.weights + entry.loaded.memory.cache,
            )
            for entry in self._entries.values()
        ] + [
            ModelStatus(name=info.id, state=ModelState.READY, detail="proxied", active=active, memory=0)
            for info, active in (() if self._backend is None else self._backend.busy())
        ]

    # What changes them

    async def start(self) -> None:
        """Load what the settings name, in their order, and watch the backend. What fails is told by `health`."""
        await asyncio.gather(self._load_all(), *(() if self._backend is None else (self._backend.watch(),)))

    async def _load_all(self) -> None:
        for name in self._names:
            if self._state(name) is None:
                self._entries[name] = _Entry(name)
        for name in self._names:
            with contextlib.suppress(ModelError):
                await self.load(name)

    async def load(self, name: str) -> None:
        """Serve a model: an installed one, a default one, or `scripted`. Nothing happens to one that is served.

        Raises `ModelError`, with what to do, which `status` tells as well.
        """
        async with self._one_at_a_time:
            entry = self._entries.get(name)
            if entry is not None and entry.state is ModelState.READY:
                return
            if entry is not None and entry.state is ModelState.DRAINING:
                raise ModelError(f"{name} is being unloaded; it still answers {entry.in_flight.count}. Wait for them.")
            entry = self._entries[name] = _Entry(name, ModelState.LOADING)
            await self._begin(entry)

    async def unload(self, name: str) -> None:
        """Serve a model no more, and return when its last request is over and its memory is free.

        Raises `ModelError` if there is no such model.
        """
        entry = self._entries.get(name)
        if entry is None or entry.state in (ModelState.WAITING, ModelState.LOADING):
            state = "not loaded" if entry is None else f"still {entry.state}"
            raise ModelError(f"{name} is {state}, so it cannot be unloaded.")
        entry.state = ModelState.DRAINING
        self._changed()
        await entry.in_flight.none()
        if self._entries.get(name) is entry:
            del self._entries[name]
            self._unloaded.add(name)
            await self._free(entry)

    def withdraw(self) -> None:
        """Serve nothing more; what runs goes on."""
        for entry, _ in self._serving():
            entry.state = ModelState.DRAINING
        if self._backend is not None:
            self._backend.withdraw()
        self._changed()

    async def aclose(self) -> None:
        """Free every engine; what they answer ends with SHUTDOWN."""
        entries, self._entries = list(self._entries.values()), {}
        await asyncio.gather(*map(self._free, entries))
        if self._backend is not None:
            await self._backend.aclose()

    # Inside

    def _state(self, name: str) -> ModelState | None:
        return self._entries[name].state if name in self._entries else None

    def _serving(self) -> list[tuple[_Entry, Generator]]:
        ready = (entry for entry in self._entries.values() if entry.state is ModelState.READY)
        return [(entry, entry.served) for entry in ready if entry.served is not None]

    async def _begin(self, entry: _Entry) -> None:
        try:
            served = await self._open(entry)
        except (ModelError, EngineError) as error:
            entry.state, entry.detail = ModelState.FAILED, str(error)
            log.event(_log, logging.ERROR, "model.failed", model=entry.name, message=entry.detail)
            raise ModelError(entry.detail) from error
        except Exception as error:
            entry.state, entry.detail = ModelState.FAILED, f"{type(error).__name__}; the log says where"
            log.failure(_log, "model.crashed", error)
            raise ModelError(entry.detail) from error
        entry.state, entry.served = ModelState.READY, served
        device = "none" if entry.loaded is None else entry.loaded.device.value
        log.event(_log, logging.INFO, "model.ready", model=served.info.id, device=device)
        self._changed()

    async def _open(self, entry: _Entry) -> Generator:
        if entry.name == SCRIPTED_MODEL:
            return ScriptedEngine()
        installed = await asyncio.to_thread(self._install, entry.name)
        entry.loaded = await load_engine(installed, options=self._options(), progress=self._report)
        return entry.loaded

    async def _free(self, entry: _Entry) -> None:
        if entry.loaded is not None:
            await entry.loaded.aclose()
            log.event(_log, logging.INFO, "model.unloaded", model=entry.name)

    def _install(self, name: str) -> InstalledModel:
        store = ModelStore(self._settings.cache, self._settings.home)
        if name == DEFAULT_MODEL:
            on_gpu = pick_device(Device(self._settings.device)) is Device.CUDA
            return store.ensure_default(CUDA_VARIANT if on_gpu else self._settings.variant, self._report)
        return store.ensure_embedding(self._report) if name == EMBEDDING_ID else store.get(name)

    def _options(self) -> EngineOptions:
        settings = self._settings
        return EngineOptions(
            device=Device(settings.device),
            threads=settings.threads or None,
            slots=settings.slots,
            context_limit=settings.context or None,
            queue_limit=settings.queue,
            prefix_cache=not settings.no_prefix_cache,
            reserved=sum(entry.loaded.memory.cache for entry in self._entries.values() if entry.loaded is not None),
        )

    def _report(self, progress: Progress) -> None:
        self.progress = progress
