"""What this node answers to its peers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from .job import ProviderJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto import events as proto

    from ..generation import Generator
    from ..store import ReceiptStore
    from .background import Background
    from .peer_link import PeerLink

FAREWELL_S = 2.0
"""What running answers get to end and be countersigned when the node stops."""


class Service:
    """The provider's side of this node: ``find`` gives what serves a model to a consumer (a node id), ``permits`` says
    to whom.

    ``allowance`` is in micro-credits per 24 hours, for all consumers together, beyond what they are owed.
    """

    def __init__(
        self,
        store: ReceiptStore,
        background: Background,
        *,
        find: Callable[[str, bytes], Generator | None],
        permits: Callable[[bytes], bool],
        allowance: int,
    ) -> None:
        self.store = store
        self.background = background
        self.find = find
        self.permits = permits
        self.allowance = allowance
        self.closing = False
        self._jobs: set[ProviderJob] = set()

    def begin(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """Answer a verified request, in a task of its own."""
        job = ProviderJob(self, link, event.stream_id, event.admitted)
        self._jobs.add(job)
        link.jobs[event.stream_id] = job
        job.task = self.background.run(job.run())

    def finished(self, job: ProviderJob) -> None:
        """``job`` has nothing left to do."""
        self._jobs.discard(job)

    async def aclose(self) -> None:
        """Admit nothing more; end what runs with SHUTDOWN, so that it is billed and countersigned."""
        self.closing = True
        jobs = list(self._jobs)
        for job in jobs:
            job.shut_down()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                for job in jobs:
                    await job.over.wait()
