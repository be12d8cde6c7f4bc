"""The engine's thread: admits requests to slots, prefills in chunks, and decodes all ready slots in one batch per
turn.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode
from reference_node.engine.job import Job
from reference_node.engine.runner import Logits, Runner, Step
from reference_node.generation import GenerationError

PREFILL_CHUNK = 256
"""Prompt tokens fed between two decode steps: large enough for full speed, short enough (0.3 s on two cores) that the
answers under way do not visibly stall. Chunks begin at multiples of it, so that a
prompt's own length decides its arithmetic."""

MIN_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0
"""Bounds of the advice to a caller who is refused because the queue is full."""

NEWEST_SHARE = 0.2
"""What the newest answer counts in the running mean of seconds per answer, from which the advice is made."""

CLOSE_SECONDS = 30.0
"""How long `close` waits for the step under way: far above the slowest chunk."""

log = logging.getLogger(__name__)

Clock = Callable[[], float]


class DecodeLoop:
    """Runs jobs on one thread. `submit`, `cancel`, `wake` and `close` may be called from any other."""

    def __init__(self, runner: Runner, *, queue_limit: int, clock: Clock, name: str) -> None:
        self._runner, self._queue_limit, self._clock = runner, queue_limit, clock
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()  # guarded by _changed
        self._woken = False  # guarded by _changed
        self._closing = False  # guarded by _changed
        self._active: dict[int, Job] = {}  # by slot; the engine's thread only
        self._prefilling: deque[Job] = deque()  # the engine's thread only; the first is next
        self._seconds_per_job = MIN_RETRY_SECONDS
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queues a job. Raises `GenerationError`: BUSY when the queue is full, SHUTTING_DOWN after `close`."""
        with self._changed:
            if self._closing:
                raise GenerationError(ErrorCode.SHUTTING_DOWN)
            if len(self._waiting) >= self._queue_limit:
                wait = self._seconds_per_job * len(self._waiting) / self._runner.slots
                wait = min(max(wait, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
                raise GenerationError(ErrorCode.BUSY, limit=self._queue_limit, retry_after=wait)
            self._waiting.append(job)
            self._wake()

    def cancel(self, job: Job) -> None:
        """Drops a job; its slot is free after the step under way. Nothing happens to one that is over."""
        job.cancelled = True
        with self._changed:
            with contextlib.suppress(ValueError):
                self._waiting.remove(job)
            self._wake()

    def wake(self) -> None:
        """Makes the thread look again at what there is to do."""
        with self._changed:
            self._wake()

    def close(self) -> None:
        """Ends every job with SHUTDOWN and the thread with it; returns when it has ended."""
        with self._changed:
            self._closing = True
            self._wake()
        self._thread.join(CLOSE_SECONDS)

    def _wake(self) -> None:
        self._woken = True
        self._changed.notify()

    def _main(self) -> None:
        try:
            while self._wait():
                self._turn()
            self._end_all(lambda job: job.finish(FinishReason.SHUTDOWN))
        except BaseException:
            log.exception("the engine's thread failed")
            self._end_all(lambda job: job.outlet.put(GenerationError(ErrorCode.INTERNAL)))
            raise
        finally:
            with self._changed:
                self._closing = True

    def _wait(self) -> bool:
        """Returns when there is something to do: true, or false to end."""
        with self._changed:
            while not (self._woken or self._closing or self._runnable()):
                if not self._changed.wait(self._next_deadline()):
                    break
            self._woken = False
            return not self._closing

    def _runnable(self) -> bool:
        return bool(self._prefilling) or any(job.ready for job in self._active.values())

    def _next_deadline(self) -> float | None:
        deadlines = [job.deadline for job in (*self._active.values(), *self._waiting)]
        return max(0.0, min(deadlines) - self._clock()) if deadlines else None

    def _turn(self) -> None:
        self._reap()
        self._admit()
        if self._prefilling:
            self._guarded(self._prefill, [self._prefilling[0]])
        if ready := [job for job in self._active.values() if job.ready]:
            self._guarded(self._decode, ready)

    def _reap(self) -> None:
        now = self._clock()
        with self._changed:
            gone = [job for job in self._waiting if job.deadline <= now]
            for job in gone:
                self._waiting.remove(job)
        gone += [job for job in self._active.values() if job.cancelled or job.deadline <= now]
        for job in gone:
            self._leave(job)
            if not job.cancelled:
                _deliver(job, lambda job: job.finish(FinishReason.DEADLINE))

    def _admit(self) -> None:
        free = [slot for slot in range(self._runner.slots) if slot not in self._active]
        with self._changed:
            admitted = [self._waiting.popleft() for _ in range(min(len(free), len(self._waiting)))]
        # Lowest slots first: a decode step runs over the slots up to the highest in use.
        for slot, job in zip(free, admitted, strict=False):
            job.slot, job.admitted = slot, self._clock()
            self._active[slot] = job
            self._prefilling.append(job)

    def _prefill(self, jobs: list[Job]) -> None:
        """Feeds one chunk. Prompts take turns, so that a short one does not wait for a long one."""
        job = jobs[0]
        chunk = job.prompt[job.fed : job.fed + PREFILL_CHUNK]
        logits = self._runner.prefill(job.slot, chunk, job.fed)
        job.fed += len(chunk)
        self._prefilling.rotate(-1)
        if not job.prefilling:
            self._prefilling.remove(job)
            self._take(job, logits)

    def _decode(self, jobs: list[Job]) -> None:
        steps = [Step(job.slot, job.last_token, job.position) for job in jobs]
        for job, logits in zip(jobs, self._runner.decode(steps), strict=True):
            self._take(job, logits)

    def _take(self, job: Job, logits: Logits) -> None:
        def take(_jobs: list[Job]) -> None:
            if _deliver(job, lambda job: job.take(logits)):
                self._leave(job)

        # Guarded one by one: what is wrong with one answer's text is not wrong with the others of its step.
        self._guarded(take, [job])

    def _guarded(self, step: Callable[[list[Job]], None], jobs: list[Job]) -> None:
        """Runs a step; if it fails, its jobs end with INTERNAL and the loop goes on."""
        try:
            step(jobs)
        except Exception:
            log.exception("a step of the engine failed")
            self._fail(job for job in jobs if self._active.get(job.slot) is job)

    def _fail(self, jobs: Iterable[Job]) -> None:
        for job in list(jobs):
            self._leave(job)
            _deliver(job, lambda job: job.outlet.put(GenerationError(ErrorCode.INTERNAL)))

    def _leave(self, job: Job) -> None:
        if self._active.get(job.slot) is job:
            del self._active[job.slot]
            self._runner.release(job.slot)
            self._seconds_per_job += (self._clock() - job.admitted - self._seconds_per_job) * NEWEST_SHARE
        with contextlib.suppress(ValueError):
            self._prefilling.remove(job)

    def _end_all(self, end: Callable[[Job], object]) -> None:
        with self._changed:
            self._closing = True
            left = [*self._active.values(), *self._waiting]
            self._waiting.clear()
        for job in left:
            self._leave(job)
            if not job.cancelled:
                _deliver(job, end)


def _deliver(job: Job, act: Callable[[Job], object]) -> bool:
    """Runs ``act``; true if the job is over after it, which it also is when its reader's event loop is gone."""
    try:
        return bool(act(job))
    except RuntimeError:
        if not job.outlet.closed():
            raise
        return True
