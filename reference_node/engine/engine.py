"""The engine: serves one installed chat model as a `Generator`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from mycellm_proto.content import Content, EmbeddingRequest
from mycellm_proto.errors import ErrorCode
from reference_node.engine.job import Job, Outlet
from reference_node.engine.loop import Clock, DecodeLoop
from reference_node.engine.options import Device, Memory
from reference_node.engine.owners import InFlight, OwnedGenerator
from reference_node.engine.preparation import Preparation
from reference_node.engine.runner import Runner
from reference_node.engine.sampling import Sampler, plan_sampling
from reference_node.generation import Event, Finished, GenerationError, ModelInfo, Started, check_abilities
from reference_node.models.manifest import Manifest


class Engine:
    """Serves one model. Create it with `load_engine`; end it with `aclose`."""

    def __init__(
        self, info: ModelInfo, manifest: Manifest, preparation: Preparation, runner: Runner, *, device: Device,
        queue_limit: int, clock: Clock = time.monotonic, prefix_cache: bool = True, memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self._info = replace(info, abilities=preparation.abilities)
        self._manifest, self._preparation, self._clock = manifest, preparation, clock
        self._end_tokens = frozenset(manifest.end_tokens)
        self._loop = DecodeLoop(
            runner, queue_limit=queue_limit, clock=clock, name=f"engine-{info.id}", prefix_cache=prefix_cache
        )
        self.device, self.memory = device, memory or Memory()

    @property
    def info(self) -> ModelInfo:
        """The model; its context length is the engine's limit for prompt and answer together."""
        return self._info

    def owned_by(self, owner: bytes, in_flight: InFlight | None = None) -> OwnedGenerator:
        """The engine for the requests of one owner: `LOCAL_OWNER`, an API key's, or a consumer's node id."""
        return OwnedGenerator(self, owner, in_flight)

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Answers a request of nobody in particular: it reuses nothing and leaves nothing to reuse."""
        return self.answer(request, None)

    async def answer(self, request: Content, owner: bytes | None) -> AsyncGenerator[Event, None]:
        """Answers one request (see `reference_node.generation`). Raises `GenerationError` alone."""
        check_abilities(self._info, request)
        assert not isinstance(request, EmbeddingRequest)  # which is none of the abilities
        deadline = self._clock() + request.deadline_ms / 1000
        plan = plan_sampling(request.sampling, self._manifest.generation)
        prepared = await asyncio.to_thread(self._preparation.prepare, request)
        job = Job(
            prompt=prepared.prompt,
            max_tokens=self._room(request.max_tokens, len(prepared.prompt)),
            deadline=deadline,
            end_tokens=self._end_tokens,
            sampler=Sampler(plan, prepared.prompt),
            answer=prepared.answer,
            outlet=Outlet(self._loop.wake),
            form=prepared.form,
            top_logprobs=request.top_logprobs,
            bytes_of=self._preparation.bytes_of,
            owner=owner,
            exact=request.sampling.seed is not None,
        )
        self._loop.submit(job)
        try:
            yield Started(input_tokens=len(prepared.prompt))
            while True:
                event = await job.outlet.get()
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self._loop.cancel(job)

    def prompt_of(self, request: Content) -> Sequence[int]:
        """The tokens of a request's input. Raises `GenerationError`. Blocking."""
        return self._preparation.prepare(request).prompt

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input, as `Started` would say. Raises `GenerationError`. Blocking."""
        return len(self.prompt_of(request))

    def encode(self, text: str) -> list[int]:
        """A text's tokens."""
        return self._preparation.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        return self._preparation.decode(ids)

    async def aclose(self) -> None:
        """Ends every request with SHUTDOWN and frees the engine's thread."""
        await asyncio.to_thread(self._loop.close)

    def _room(self, wanted: int, prompt: int) -> int:
        """The most tokens that may be generated."""
        limit = self._info.context_length
        if prompt >= limit:
            raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=limit - 1, actual=prompt)
        if wanted < 1 or prompt < 1:
            raise GenerationError(ErrorCode.MALFORMED, limit=limit, actual=wanted)
        return min(wanted, limit - prompt)
