"""Providers that lose what was wished for, or leave it out of what they commit to: a part of the family inference."""

from __future__ import annotations

from conformance.dcbor import Item
from conformance.honest.provider import Provider

from .mutant import Mutant, node_with, provider_with, skipping
from .readers import without


def _cases(*slugs: str) -> tuple[str, ...]:
    return tuple(f"inference/{slug}" for slug in slugs)


def _without_calls(self: Provider, billed: list[dict[int, Item]], finish: int) -> dict[int, Item]:
    return {key: value for key, value in Provider.answer(self, billed, finish).items() if key != 4}


def _without_logprobs(self: Provider, billed: list[dict[int, Item]], finish: int) -> dict[int, Item]:
    return {key: value for key, value in Provider.answer(self, billed, finish).items() if key != 5}


def _without_vectors(self: Provider, billed: list[dict[int, Item]], finish: int) -> dict[int, Item]:
    return {key: value for key, value in Provider.answer(self, billed, finish).items() if key != 6}


def _thinks_aloud(self: Provider, body: dict[int, Item]) -> None:
    Provider.piece(self, body | ({2: 3} if body[1] and 2 not in body else {}))


def _says_unasked(self: Provider, body: dict[int, Item]) -> None:
    Provider.piece(self, body | ({4: [[b"x", 0, []]]} if body[1] else {}))


def _one_vector_for_all(self: Provider, left: list[dict[int, Item]], finish: int) -> bool:
    return Provider.recite(self, left if self.pieces or len(left) < 2 else left[:1], finish)


def _names_nothing(self: Provider, lacking: list[int]) -> int | None:
    return None


def _names_the_operation(self: Provider, lacking: list[int]) -> int | None:
    return 64


MUTANTS = (
    Mutant(
        slug="loses-tools",
        page="Drops the tools of a request: the model cannot call them, and says words.",
        breaks=("INF-006~1",),
        kills=_cases("apply-required-tool", "apply-chosen-tool"),
        connection=provider_with(judge_content=without(20, 22)),
        row=15,
    ),
    Mutant(
        slug="loses-response-format",
        page="Drops the response_format: whoever asked for JSON gets words.",
        breaks=("INF-006~1",),
        kills=_cases("apply-json-object"),
        connection=provider_with(judge_content=without(26)),
        row=15,
    ),
    Mutant(
        slug="loses-logprobs",
        page="Drops top_logprobs, and answers without them.",
        breaks=("INF-006~1",),
        kills=_cases("apply-logprobs"),
        connection=provider_with(judge_content=without(18)),
        row=15,
    ),
    Mutant(
        slug="leaves-calls-out-of-the-commitment",
        page="Commits to the text of an answer alone: what was called, and with which arguments, can be denied.",
        breaks=("RCP-007~1",),
        kills=_cases("apply-required-tool"),
        connection=provider_with(answer=_without_calls),
    ),
    Mutant(
        slug="leaves-logprobs-out-of-the-commitment",
        page="Commits to an answer without its log-probabilities.",
        breaks=("RCP-007~1",),
        kills=_cases("apply-logprobs"),
        connection=provider_with(answer=_without_logprobs),
    ),
    Mutant(
        slug="leaves-vectors-out-of-the-commitment",
        page="Commits to nothing of what it embedded.",
        breaks=("RCP-007~1",),
        kills=_cases("accept-embedding"),
        connection=provider_with(answer=_without_vectors),
    ),
    Mutant(
        slug="sends-arguments-of-no-call",
        page="Marks words as the arguments of a call that never began.",
        breaks=("INF-043~1",),
        kills=_cases("accept-chat"),
        connection=provider_with(piece=_thinks_aloud),
    ),
    Mutant(
        slug="sends-logprobs-unasked",
        page="Sends log-probabilities to everybody.",
        breaks=("INF-043~1",),
        kills=_cases("accept-chat"),
        connection=provider_with(piece=_says_unasked),
    ),
    Mutant(
        slug="embeds-the-first-input-alone",
        page="Answers two inputs with one vector.",
        breaks=("INF-043~1",),
        kills=_cases("accept-embedding"),
        connection=provider_with(recite=_one_vector_for_all),
    ),
    Mutant(
        slug="refuses-without-a-key",
        page="Refuses a parameter with UNSUPPORTED, and does not say which.",
        breaks=("INF-041~1",),
        kills=_cases("apply-or-name-reasoning-effort", "apply-or-name-logit-bias"),
        connection=provider_with(names=_names_nothing),
    ),
    Mutant(
        slug="refuses-with-a-key-of-nothing",
        page="Names a key with UNSUPPORTED that the content does not have.",
        breaks=("INF-041~1",),
        kills=_cases("apply-or-name-reasoning-effort"),
        connection=provider_with(names=_names_the_operation),
    ),
    Mutant(
        slug="embeds-inputs-of-any-length",
        page="Cuts an input that its context does not hold, and bills all of it.",
        breaks=("INF-042~1",),
        kills=_cases("refuse-long-input"),
        node=skipping("INF-042", node=node_with(prices=(0, 4))),
    ),
    Mutant(
        slug="takes-contents-that-contradict-themselves",
        page="Answers conversations and wishes whose parts say something against each other.",
        breaks=("INF-034~1",),
        kills=_cases(
            "refuse-logit-bias-descending",
            "refuse-logit-bias-twice",
            "refuse-tool-twice",
            "refuse-tool-choice-of-no-tool",
            "refuse-tool-choice-without-tools",
            "refuse-calls-of-a-user",
            "refuse-reasoning-of-a-user",
            "refuse-call-id-twice",
            "refuse-result-without-call-id",
            "refuse-result-of-no-call",
        ),
        node=skipping("INF-034", node=node_with(applies=frozenset(range(14, 32)))),
    ),
)
