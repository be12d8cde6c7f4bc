"""Stop sequences of an honest provider: text that could become one is held back until it cannot."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Lets the text of an answer through, up to the first stop sequence."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self.sequences = sequences
        self.held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """What may go out of all text so far, and whether a stop sequence ends the answer there."""
        self.held += text
        places = [self.held.index(each) for each in self.sequences if each in self.held]
        if places:
            out, self.held = self.held[: min(places)], ""
            return out, True
        keep = self.begun()
        out, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return out, False

    def flush(self) -> str:
        """What was held back, where the answer ends otherwise."""
        out, self.held = self.held, ""
        return out

    def begun(self) -> int:
        """Characters at the end with which a stop sequence may have begun."""
        return max((_overlap(self.held, each) for each in self.sequences), default=0)


def _overlap(text: str, sequence: str) -> int:
    """The longest end of ``text`` that is a beginning of ``sequence``."""
    longest = min(len(text), len(sequence) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(sequence[:size])), 0)
