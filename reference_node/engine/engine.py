"""The engine: serves one installed model as a `Generator`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import numpy as np
from tokenizers import Tokenizer

from mycellm_proto.content import ChatRequest, Content, Message
from mycellm_proto.errors import ErrorCode
from reference_node.engine.decoder import DecoderRunner
from reference_node.engine.job import Job, Outlet
from reference_node.engine.loop import Clock, DecodeLoop
from reference_node.engine.options import Device, EngineError, EngineOptions
from reference_node.engine.owners import OwnedGenerator
from reference_node.engine.pool import DevicePool, HostPool, KvPool, KvShape, choose_capacity
from reference_node.engine.runner import ROW_BY_ROW, PooledRunner, Runner
from reference_node.engine.sampling import Sampler, plan_sampling
from reference_node.engine.session import open_session, pick_device
from reference_node.engine.template import ChatTemplate
from reference_node.engine.text import TextStream
from reference_node.generation import Event, Finished, GenerationError, Generator, ModelInfo, Started, check_abilities
from reference_node.models.errors import Progress, ProgressCallback, silent
from reference_node.models.manifest import GraphIo, Manifest
from reference_node.models.store import InstalledModel, verify_installed

CUDA_VARIANT = "fp16"
"""The only export of ours that CUDA's GroupQueryAttention takes."""


class Engine:
    """Serves one model. Create it with `load_engine`; end it with `aclose`."""

    def __init__(
        self, info: ModelInfo, manifest: Manifest, tokenizer: Tokenizer, runner: Runner, *, device: Device,
        queue_limit: int, clock: Clock = time.monotonic, prefix_cache: bool = True,
    ) -> None:  # fmt: skip
        self._info, self._manifest, self._tokenizer, self._clock = info, manifest, tokenizer, clock
        self._template = ChatTemplate(
            manifest.chat_template, bos_token=manifest.bos_token, eos_token=manifest.eos_token
        )
        self._end_tokens = frozenset(manifest.end_tokens)
        self._loop = DecodeLoop(
            runner, queue_limit=queue_limit, clock=clock, name=f"engine-{info.id}", prefix_cache=prefix_cache
        )
        self.device = device

    @property
    def info(self) -> ModelInfo:
        """The model; its context length is the engine's limit for prompt and answer together."""
        return self._info

    def owned_by(self, owner: bytes) -> Generator:
        """The engine for the requests of one owner: `LOCAL_OWNER`, or a consumer's node id."""
        return OwnedGenerator(self, owner)

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Answers a request of nobody in particular: it reuses nothing and leaves nothing to reuse."""
        return self.answer(request, None)

    async def answer(self, request: Content, owner: bytes | None) -> AsyncGenerator[Event, None]:
        """Answers one request (see `reference_node.generation`). Raises `GenerationError` alone."""
        check_abilities(self._info, request)
        assert isinstance(request, ChatRequest)  # the one operation of `Abilities()`
        deadline = self._clock() + request.deadline_ms / 1000
        sampler = Sampler(plan_sampling(request.sampling, self._manifest.generation))
        prompt = await asyncio.to_thread(self._encode, request.messages)
        job = Job(
            prompt=prompt,
            max_tokens=self._room(request.max_tokens, len(prompt)),
            deadline=deadline,
            end_tokens=self._end_tokens,
            sampler=sampler,
            text=TextStream(self._tokenizer, request.stop),
            outlet=Outlet(self._loop.wake),
            owner=owner,
            exact=request.sampling.seed is not None,
        )
        self._loop.submit(job)
        try:
            yield Started(input_tokens=len(prompt))
            while True:
                event = await job.outlet.get()
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self._loop.cancel(job)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, as `Started` would say. Raises `GenerationError` (MALFORMED)."""
        return len(self._encode(messages))

    async def aclose(self) -> None:
        """Ends every request with SHUTDOWN and frees the engine's thread."""
        await asyncio.to_thread(self._loop.close)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        return list(self._tokenizer.encode(self._template.render(messages), add_special_tokens=False).ids)

    def _room(self, wanted: int, prompt: int) -> int:
        """The most tokens that may be generated."""
        limit = self._info.context_length
        if prompt >= limit:
            raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=limit - 1, actual=prompt)
        if wanted < 1 or prompt < 1:
            raise GenerationError(ErrorCode.MALFORMED, limit=limit, actual=wanted)
        return min(wanted, limit - prompt)


async def load_engine(
    model: InstalledModel, *, options: EngineOptions | None = None, progress: ProgressCallback = silent
) -> Engine:
    """Verifies the model's files, loads its graph and starts its engine.

    Raises `ModelError` for damaged files, `EngineError` for what this machine cannot do.
    """
    return await asyncio.to_thread(_load, model, options or EngineOptions(), progress)


def _load(model: InstalledModel, options: EngineOptions, progress: ProgressCallback) -> Engine:
    verify_installed(model, progress)
    progress(Progress(stage="load", done=0, total=0, detail=model.id))
    manifest = model.manifest
    device = _device_for(manifest, options)
    runner = _runner(model, options, device)
    info = ModelInfo(
        id=model.id, digest=model.digest, context_length=runner.capacity, owner=manifest.owner, created=model.created
    )
    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    return Engine(
        info, manifest, tokenizer, runner, device=device,
        queue_limit=options.queue_limit, prefix_cache=options.prefix_cache,
    )  # fmt: skip


def _device_for(manifest: Manifest, options: EngineOptions) -> Device:
    runs_on_cuda = manifest.io is GraphIo.DECODER or manifest.variant == CUDA_VARIANT
    if options.device is Device.CUDA and not runs_on_cuda:
        raise EngineError(
            f"The {manifest.variant} export of {manifest.id} runs on the CPU only. "
            f"Use variant {CUDA_VARIANT} for device cuda."
        )
    return pick_device(options.device) if runs_on_cuda else Device.CPU


def _runner(model: InstalledModel, options: EngineOptions, device: Device) -> Runner:
    manifest = model.manifest
    session = open_session(model.folder / manifest.graph, options, device)
    if manifest.io is GraphIo.DECODER:
        return DecoderRunner(session, manifest, options, device)
    dtype = np.float16 if manifest.variant == CUDA_VARIANT else np.float32
    token_bytes = 2 * manifest.layers * manifest.kv_heads * manifest.head_size * np.dtype(dtype).itemsize
    shape = KvShape(
        layers=range(manifest.layers),
        kv_heads=manifest.kv_heads,
        head_size=manifest.head_size,
        slots=options.slots,
        capacity=choose_capacity(options, manifest.context_length, token_bytes),
        dtype=dtype,
    )
    pool: KvPool = HostPool(shape) if device is Device.CPU else DevicePool(shape, device)
    return PooledRunner(session, pool, manifest.vocabulary, batched=manifest.variant not in ROW_BY_ROW)
