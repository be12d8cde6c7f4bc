"""What this node answers to its peers, within what its owner allows."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole

from ..generation import GenerationError
from .job import ProviderJob
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from mycellm_proto import events as proto
    from mycellm_proto.admission import Admitted

    from ..generation import Generator, ModelInfo
    from ..networks import Networks
    from ..owner import Controls, Owner
    from ..settlement import Settlers
    from ..store import ReceiptStore
    from .background import Background
    from .peer_link import PeerLink

FAREWELL_S = 2.0
"""What running answers get to end and be countersigned when the node stops."""


class Service:
    """The provider's side of this node: ``find`` gives what serves a model to a consumer (a node id), ``owner`` says
    what may be served to whom, ``networks`` what their rules are and ``settlers`` keep their accounts; ``settled`` is
    told when something of an answer was kept; ``queue`` bounds the requests that wait where the
    owner bounds those that run.
    """

    def __init__(
        self,
        store: ReceiptStore,
        background: Background,
        owner: Owner,
        networks: Networks,
        settlers: Settlers,
        *,
        find: Callable[[str, bytes], Generator | None],
        settled: Callable[[], None],
        queue: int,
    ) -> None:
        self.store = store
        self.background = background
        self.settlers = settlers
        self.settled = settled
        self.closing = False
        self.held = False
        self.forbidden: set[bytes] = set()
        self.turns = Turns(owner.controls.peer_slots, queue)
        self._owner = owner
        self._networks = networks
        self._find = find
        self._jobs: set[ProviderJob] = set()
        self._changed = asyncio.Event()

    @property
    def running(self) -> int:
        """Requests of peers that are not over: their answers run or wait, or are about to be agreed on."""
        return len(self._jobs)

    @property
    def allowance(self) -> int:
        """Micro-credits per 24 hours, for all consumers together."""
        return self._owner.controls.allowance

    def offers(self, consumer: bytes, network: bytes, model: ModelInfo) -> bool:
        """Whether ``model`` is offered to this peer in ``network``, of which it is a member."""
        controls = self._owner.controls
        open_now = not (self.closing or self.held or controls.paused)
        return (
            open_now
            and self._permits(consumer, network)
            and controls.share.permits(network, model.id)
            and self._provides(network, model)
        )

    def serving(self, admitted: Admitted) -> Generator:
        """What serves a verified request. Raises `GenerationError` where nothing does, or may."""
        controls, quote = self._owner.controls, admitted.quote
        if self.closing or self.held:
            raise GenerationError(ErrorCode.SHUTTING_DOWN)
        if not self._permits(admitted.open.consumer, quote.network):
            raise GenerationError(ErrorCode.NOT_ALLOWED)  # INF-026
        generator = self._find(quote.model, admitted.open.consumer)
        shared = not controls.paused and controls.share.permits(quote.network, quote.model)
        if generator is None or not shared or generator.info.digest != quote.model_digest:
            raise GenerationError(ErrorCode.UNKNOWN_MODEL)  # INF-025
        if not self._provides(quote.network, generator.info):
            raise GenerationError(ErrorCode.UNKNOWN_MODEL)
        return generator

    def begin(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """Answer a verified request, in a task of its own."""
        job = ProviderJob(self, link, event.stream_id, event.admitted)
        self._jobs.add(job)
        link.jobs[event.stream_id] = job
        job.task = self.background.run(job.run())

    def finished(self, job: ProviderJob) -> None:
        """``job`` has nothing left to do."""
        self._jobs.discard(job)
        self._changed.set()

    def controls_changed(self, after: Controls) -> None:
        """The owner has decided."""
        self.turns.resize(after.peer_slots)

    async def idle(self) -> None:
        """Return when nothing runs."""
        while self._jobs:
            self._changed.clear()
            await self._changed.wait()

    async def end(self, consumers: Container[bytes] | None = None) -> int:
        """End the answers to these peers, or all, with SHUTDOWN, so that they are billed and countersigned (INF-029).

        Returns how many.
        """
        jobs = [job for job in self._jobs if consumers is None or job.consumer in consumers]
        for job in jobs:
            job.shut_down()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                for job in jobs:
                    await job.over.wait()
        return len(jobs)

    async def aclose(self) -> None:
        """Admit nothing more, and end what runs."""
        self.closing = True
        await self.end()

    def _permits(self, consumer: bytes, network: bytes) -> bool:
        """Whom the owner keeps out is out everywhere; whom the owner lets in counts in the direct network alone."""
        controls = self._owner.controls
        kept_out = consumer in controls.block or consumer in self.forbidden
        return not kept_out and (network != DIRECT_NETWORK or controls.permits(consumer))

    def _provides(self, network: bytes, model: ModelInfo) -> bool:
        if network == DIRECT_NETWORK:
            return True
        if model.proxied and self._networks.stays_on_node(network):  # NET-052
            return False
        return self._networks.plays(network, MemberRole.PROVIDER, model.digest)
