"""What is watched in every case."""

from __future__ import annotations

from collections.abc import Sequence

from . import answers, bills, dialing, frames, ledger, questions
from .observer import Observer

OBSERVERS: Sequence[Observer] = (
    *frames.OBSERVERS,
    *answers.OBSERVERS,
    *bills.OBSERVERS,
    *dialing.OBSERVERS,
    *questions.OBSERVERS,
    *ledger.OBSERVERS,
)
