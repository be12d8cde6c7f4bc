"""What an honest node serves: a model that needs no weights."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.answers import ARGUMENTS, CALL, COMPLETE, EMBED, VALUES, VECTOR
from conformance.dcbor import Item
from conformance.finish import LENGTH, STOP, TOOL_CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that needs no weights: it says words until it is stopped."""

    name: str = "conformance-words"
    digest: bytes = bytes(range(32))
    context: int = 32_768
    delay: float = 0.0
    """Seconds of work before each token."""
    thinking: float = 0.001
    """Seconds of work before ACCEPT."""
    silence: float = 0.0
    """Seconds of work before the first."""
    words: int = 1 << 40
    """How many tokens it says by itself."""
    width: int = 6
    """Bytes of a word with its space."""
    long: int = 16_000
    """The same where as many tokens are asked for as its context holds: a long answer in few frames."""

    def input_tokens(self, messages: list[Mapping[int, Item]]) -> int:
        """One token for four bytes, and four for a message's frame."""
        return sum(4 + -(-len(each[1].encode()) // 4) for each in messages)

    def prompt_tokens(self, prompt: Item) -> int:
        """One token for four bytes, or for what is one already."""
        return -(-len(prompt.encode() if isinstance(prompt, str) else prompt) // 4)

    def read(self, content: Mapping[int, Item]) -> int:
        """The input tokens of any request."""
        if content.get(0) == EMBED:
            return sum(map(self.prompt_tokens, content[2]))
        return self.prompt_tokens(content[2]) if content.get(0) == COMPLETE else self.input_tokens(content[2])

    def script(self, content: Mapping[int, Item]) -> tuple[list[dict[int, Item]], int] | None:
        """What it answers, and why that ends, where words alone are no answer."""
        if content.get(0) == EMBED:
            numbers = struct.pack("<f", 0.5) * content.get(30, 4)
            pieces = [numbers[start : start + 16_000] for start in range(0, len(numbers), 16_000)]
            vector = [{0: "", 1: 0, 2: VALUES if number else VECTOR, 6: piece} for number, piece in enumerate(pieces)]
            return vector * len(content[2]), STOP
        choice = content.get(22)
        if 20 in content and (choice == 2 or isinstance(choice, str)):
            name = choice if isinstance(choice, str) else content[20][0][0]
            return [{0: name, 1: 1, 2: CALL}, {0: "{}", 1: 1, 2: ARGUMENTS}], TOOL_CALLS
        if 26 in content:
            return [{0: "{", 1: 1}, {0: "}", 1: 1}], STOP
        if 18 in content:
            top = [[f"{number:06d}".encode(), number] for number in range(content[18])]
            said = [{0: f"{number:05d} ", 1: 1, 4: [[b"%05d " % number, 0, top]]} for number in range(4)]
            return said, STOP if content[3] >= 4 else LENGTH
        return None

    def word(self, number: int, content: Mapping[int, Item], luck: int) -> str:
        """The text of token ``number``: the likeliest, or one of three others where sampling leaves a choice."""
        width = self.width if content[3] < self.context else self.long
        if not _takes_likeliest(content):
            number += 1 + hashlib.sha256(f"{luck} {number}".encode()).digest()[0] % 3
        return f"{number % 100_000:0{width - 1}d} "


def _takes_likeliest(content: Mapping[int, Item]) -> bool:
    """Whether the sampling parameters leave the likeliest token alone."""
    return content.get(6, 0) == 0 or content.get(7) == 1 or content.get(8) == 1 or content.get(9) == 1_000_000
