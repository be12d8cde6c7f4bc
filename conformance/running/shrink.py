"""Fewer and fewer items of a generated case that fails, until what is left is the least that does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement

Again = Callable[[Sequence[int]], Awaitable[Judgement]]
"""Runs the case with some of its items, and judges."""


async def shrunk(judgement: Judgement, again: Again) -> Judgement:
    """The judgement of the fewest items that still fail, by halves; ``judgement`` itself where no half does."""
    items: Sequence[int] = judgement.transcript.header.get("items", ())
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


def reproducer(judgement: Judgement) -> str:
    """What to add to the command that ran a case, to run just what failed in it; empty where nothing was drawn."""
    header = judgement.transcript.header
    if judgement.verdict is not Verdict.FAIL or not header.get("items"):
        return ""
    only = " ".join(f"--only {item}" for item in header["items"])
    return f"--filter {judgement.case.id} --tier {judgement.case.tier} --seed {header['seed']} {only}"
