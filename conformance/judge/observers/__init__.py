"""What is watched in every case."""

from __future__ import annotations

from collections.abc import Sequence

from . import answers, bills, frames, questions, states
from .observer import Observer

OBSERVERS: Sequence[Observer] = (
    *frames.OBSERVERS,
    *states.OBSERVERS,
    *answers.OBSERVERS,
    *bills.OBSERVERS,
    *questions.OBSERVERS,
)
