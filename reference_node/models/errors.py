"""What the model store reports: progress while it works, and one kind of error that tells a person what to do next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class ModelError(Exception):
    """A model that cannot be imported, found, verified or removed. The message names the cause and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one stage is: ``done`` of ``total`` in the stage's own unit (bytes or tensors); ``total`` 0 is
    unknown.
    """

    stage: str
    done: int
    total: int
    detail: str = ""


ProgressCallback = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """The progress callback of callers who do not watch."""
