"""The engine's thread: admits requests to slots, prefills in chunks, and decodes all ready slots in one batch per
turn. Requests come and go between any two steps.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable

from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode
from reference_node.engine.job import Job
from reference_node.engine.runner import Logits, Runner, Step
from reference_node.engine.slots import MIN_ROWS, Place, SlotTable
from reference_node.engine.waiting import WaitingQueue
from reference_node.generation import GenerationError

PREFILL_CHUNK = 64
"""Most prompt tokens fed between two decode steps while there are several requests: 0.1 s on two cores, so that neither
answers under way nor a short prompt's first token visibly wait. Costs a fifth of the speed of a whole run. Fewer far
into a prompt (`chunk_size`)."""

LONE_CHUNK = 256
"""The same for a request that has had no company for `COMPANY_SECONDS`, at full speed. Not more: kernels cut longer
runs into tiles, of which the last may have one row, with other roundings (`reference_node.engine.slots`)."""

PAST_COST = 2048
"""Tokens of a prompt before it that make a token cost twice as much: with 3,600 before it, prefill was 2.5 times as
slow (SmolLM2, two cores). So a chunk is halved there, and takes about the same time everywhere."""

COMPANY_SECONDS = 10.0
"""How long after several requests at once the next company is expected."""

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

    def __init__(self, runner: Runner, *, queue_limit: int, clock: Clock, name: str, prefix_cache: bool = True) -> None:
        self._runner, self._clock = runner, clock
        self._changed = threading.Condition()
        self._waiting = WaitingQueue(queue_limit)  # guarded by _changed
        self._woken = False  # guarded by _changed
        self._closing = False  # guarded by _changed
        # The engine's thread only: jobs by slot; those that prefill, in the order of turns; and the one fed last.
        self._slots = SlotTable(runner.slots, copies=runner.copies)
        self._prefix_cache = prefix_cache
        self._active: dict[int, Job] = {}
        self._prefilling: deque[Job] = deque()
        self._fed_last: Job | None = None
        self._last_company = -math.inf  # a reading of the clock
        self._seconds_per_job = MIN_RETRY_SECONDS
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queues a job. Raises `GenerationError`: BUSY when the queue, or its owner's part of it, is full;
        SHUTTING_DOWN after `close`.
        """
        with self._changed:
            if self._closing:
                raise GenerationError(ErrorCode.SHUTTING_DOWN)
            if not self._waiting.room_for(job.owner):
                wait = self._seconds_per_job * len(self._waiting) / self._runner.slots
                wait = min(max(wait, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
                raise GenerationError(ErrorCode.BUSY, limit=self._waiting.limit, retry_after=wait)
            self._waiting.put(job)
            self._wake()

    def cancel(self, job: Job) -> None:
        """Drops a job; its slot is free after the step under way. Nothing happens to one that is over."""
        job.cancelled = True
        with self._changed:
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
        admissible = len(self._waiting) and self._slots.free()
        return bool(admissible or self._prefilling) or any(job.ready for job in self._active.values())

    def _next_deadline(self) -> float | None:
        deadlines = [job.deadline for job in (*self._active.values(), *self._waiting)]
        return max(0.0, min(deadlines) - self._clock()) if deadlines else None

    def _turn(self) -> None:
        self._reap()
        self._admit()
        if self._prefilling:
            self._guarded(self._prefill, [self._next_to_prefill()])
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
        held = Counter(job.owner for job in self._active.values())
        while self._slots.free():
            with self._changed:
                if not len(self._waiting):
                    return
                job = self._waiting.take(held)
            held[job.owner] += 1
            self._seat(job)

    def _seat(self, job: Job) -> None:
        place = self._slots.place(job.owner if self._prefix_cache else None, job.prompt)
        job.slot, job.admitted = place.slot, self._clock()
        self._active[place.slot] = job
        self._prefilling.append(job)
        if place.cached and place.source != place.slot:
            self._guarded(lambda _jobs: self._copy(place), [job])  # at once: the next job may overwrite the source
        job.fed = job.cached = place.cached

    def _copy(self, place: Place) -> None:
        self._runner.copy(place.source, place.slot, place.cached)
        self._slots.written(place.slot, 0, place.cached)

    def _next_to_prefill(self) -> Job:
        """Prompts take turns, a chunk at a time, so that a short one does not wait for a long one."""
        if self._prefilling[0] is self._fed_last:
            self._prefilling.rotate(-1)
        self._fed_last = self._prefilling[0]
        return self._fed_last

    def _prefill(self, jobs: list[Job]) -> None:
        """Feeds one chunk."""
        job = jobs[0]
        start, count = job.fed, chunk_size(job.fed, len(job.prompt) - job.fed, self._most())
        logits = self._runner.prefill(job.slot, job.prompt[start : start + count], start)
        self._slots.written(job.slot, start, count)
        job.fed += count
        if not job.prefilling:
            self._prefilling.remove(job)
            self._take(job, logits)

    def _most(self) -> int:
        """Tokens of the next chunk at most, if it were the first of its prompt."""
        now = self._clock()
        if len(self._active) > 1:
            self._last_company = now
        return PREFILL_CHUNK if now - self._last_company < COMPANY_SECONDS else LONE_CHUNK

    def _decode(self, jobs: list[Job]) -> None:
        steps = [Step(job.slot, job.last_token, job.position, job.exact) for job in jobs]
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
            self._runner.release(job.slot, self._slots.leave(job.slot))
            self._seconds_per_job += (self._clock() - job.admitted - self._seconds_per_job) * NEWEST_SHARE
        with contextlib.suppress(ValueError):
            self._prefilling.remove(job)
        if self._fed_last is job:
            self._fed_last = None

    def _end_all(self, end: Callable[[Job], object]) -> None:
        with self._changed:
            self._closing = True
            left = [*self._active.values(), *self._waiting]
            self._waiting.clear()
        for job in left:
            self._leave(job)
            if not job.cancelled:
                _deliver(job, end)


def chunk_size(fed: int, left: int, most: int) -> int:
    """How many of the ``left`` tokens of a prompt are fed after the first ``fed``: ``most`` at its beginning, fewer the
    more are before them, and never one alone if there are more (`MIN_ROWS`).
    """
    most = max(most * PAST_COST // (PAST_COST + fed), MIN_ROWS + 1)
    alone = 0 < left - most < MIN_ROWS
    return most - 1 if alone else min(left, most)


def _deliver(job: Job, act: Callable[[Job], object]) -> bool:
    """Runs ``act``; true if the job is over after it, which it also is when its reader's event loop is gone."""
    try:
        return bool(act(job))
    except RuntimeError:
        if not job.outlet.closed():
            raise
        return True
