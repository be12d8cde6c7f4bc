"""The local model: made ready in the background, with progress for ``/health``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from .. import log
from ..config import DEFAULT_MODEL
from ..engine import CUDA_VARIANT, Device, Engine, EngineError, EngineOptions, load_engine, pick_device
from ..models import InstalledModel, ModelError, ModelStore, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Settings
    from ..generation import Generator

_log = logging.getLogger(__name__)


class LocalModel:
    """The model that this node runs, if any: its engine once it answers, until then why not.

    ``engine`` given takes the place of the model that the settings name.
    """

    def __init__(self, settings: Settings, engine: Generator | None = None) -> None:
        self.engine = engine
        self.failure: str | None = None
        self.progress = Progress(stage="starting", done=0, total=0, detail="")
        self._settings = settings
        self._loaded: Engine | None = None

    @property
    def wanted(self) -> bool:
        """Whether this node is to run a model."""
        return not self._settings.no_model or self.engine is not None

    @property
    def ready(self) -> bool:
        """Whether it answers, if this node is to run one."""
        return self.engine is not None or not self.wanted

    def health(self) -> dict[str, object]:
        """How far it is, as JSON."""
        failed = self.failure is not None
        return {
            "status": "ok" if self.ready else "failed" if failed else "starting",
            "progress": {
                "stage": "failed" if failed else "ready" if self.ready else self.progress.stage,
                "done": self.progress.done,
                "total": self.progress.total,
                "detail": self.failure or self.progress.detail,
            },
        }

    def serving(self, owner: bytes) -> Generator | None:
        """The engine for the requests of one owner (see `reference_node.engine.owners`)."""
        return self.engine.owned_by(owner) if isinstance(self.engine, Engine) else self.engine

    async def load(self, ready: Callable[[], None]) -> None:
        """Install, verify and start the model, then call ``ready``. What fails is kept in ``failure``."""
        try:
            installed = await asyncio.to_thread(self._install)
            loaded = await load_engine(installed, options=self._options(), progress=self._report)
        except (ModelError, EngineError) as error:
            self.failure = str(error)
            log.event(_log, logging.ERROR, "model.failed", message=self.failure)
            return
        except Exception as error:  # noqa: BLE001 - a bug here must show in /health, not hang there
            self.failure = f"{type(error).__name__}; the log says where"
            log.failure(_log, "model.crashed", error)
            return
        self.engine = self._loaded = loaded
        log.event(_log, logging.INFO, "model.ready", model=loaded.info.id, device=loaded.device.value)
        ready()

    async def aclose(self) -> None:
        """Free the engine."""
        if self._loaded is not None:
            await self._loaded.aclose()

    def _install(self) -> InstalledModel:
        store = ModelStore(self._settings.cache, self._settings.home)
        if self._settings.model == DEFAULT_MODEL:
            on_gpu = pick_device(Device(self._settings.device)) is Device.CUDA
            return store.ensure_default(CUDA_VARIANT if on_gpu else self._settings.variant, self._report)
        return store.get(self._settings.model)

    def _options(self) -> EngineOptions:
        settings = self._settings
        return EngineOptions(
            device=Device(settings.device),
            threads=settings.threads or None,
            slots=settings.slots,
            context_limit=settings.context or None,
            queue_limit=settings.queue,
            prefix_cache=not settings.no_prefix_cache,
        )

    def _report(self, progress: Progress) -> None:
        self.progress = progress
