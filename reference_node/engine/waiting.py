"""Requests that wait for a slot: bounded, and fair between those who ask.

Owners take turns: the next request is of an owner that holds the fewest slots, and of these of the one that has waited
longest for a turn. Within an owner, first come is first served. Without this, one owner's burst would be everybody's
wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from reference_node.engine.job import Job

OTHERS_SHARE = 4
"""One part in this many of the queue is out of reach of any single owner, so that a burst leaves room for others."""

Owner = bytes | None
"""Who asks, as in `reference_node.engine.owners`; None is everybody who asks without a name, counted as one."""


class WaitingQueue:
    """Waiting jobs. ``limit``: requests of all owners together. Not thread-safe: the decode loop guards it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: dict[Owner, deque[Job]] = {}  # no empty ones; in the order of turns

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self._jobs.values() for job in jobs)

    def room_for(self, owner: Owner) -> bool:
        """Whether one more request of this owner may wait."""
        own = len(self._jobs.get(owner, ()))
        return len(self) < self.limit and own < self.limit - self.limit // OTHERS_SHARE

    def put(self, job: Job) -> None:
        """Adds a job; the caller has asked `room_for` it. A new owner's turn comes after those who wait already."""
        self._jobs.setdefault(job.owner, deque()).append(job)

    def take(self, held: Mapping[Owner, int]) -> Job:
        """Removes the job whose turn it is. ``held``: the slots that each owner holds. Raises `IndexError` if none."""
        if not self._jobs:
            raise IndexError("no job waits")
        owner = min(self._jobs, key=lambda owner: held.get(owner, 0))
        jobs = self._jobs.pop(owner)
        job = jobs.popleft()
        if jobs:
            self._jobs[owner] = jobs  # at the end: its turn is over
        return job

    def remove(self, job: Job) -> None:
        """Removes a job if it waits."""
        jobs = self._jobs.get(job.owner, deque())
        if job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._jobs[job.owner]

    def clear(self) -> None:
        """Removes all."""
        self._jobs.clear()
