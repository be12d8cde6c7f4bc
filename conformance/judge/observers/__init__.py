"""What is watched in every case."""

from __future__ import annotations

from collections.abc import Sequence

from . import answers, bills, bounds, dialing, frames, ledger, networks, objects, questions, states
from .observer import Observer

OBSERVERS: Sequence[Observer] = (
    *frames.OBSERVERS,
    *states.OBSERVERS,
    *objects.OBSERVERS,
    *answers.OBSERVERS,
    *bills.OBSERVERS,
    *bounds.OBSERVERS,
    *dialing.OBSERVERS,
    *questions.OBSERVERS,
    *ledger.OBSERVERS,
    *networks.OBSERVERS,
)
