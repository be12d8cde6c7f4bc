"""Fewer and fewer items of a generated case that fails, until what is left is the least that does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement

Again = Callable[[Sequence[int]], Awaitable[Judgement]]
"""Runs the case with some of its items, and judges."""


def drawn(judgement: Judgement) -> Sequence[int]:
    """The items that were drawn for a judgement; none where nothing was."""
    return tuple(judgement.transcript.header.get("items", ()))


async def shrunk(judgement: Judgement, again: Again) -> Judgement:
    """The judgement of the fewest items that still fail, by halves; ``judgement`` itself where no half does."""
    items = drawn(judgement) if judgement.verdict is Verdict.FAIL else ()
    while len(items) > 1:
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            smaller = await again(half)
            if smaller.verdict is Verdict.FAIL:
                judgement, items = smaller, half
                break
        else:
            break
    return judgement
