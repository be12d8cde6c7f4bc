"""Providers that misread what is asked: a part of the family inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2

from conformance import dcbor, shapes
from conformance.dcbor import Item
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError

from .mutant import Mutant, node_with, provider_with, skipping

_PARAMETERS = ("accept-least-parameters", "accept-most-parameters")


def _cases(*slugs: str) -> tuple[str, ...]:
    return tuple(f"inference/{slug}" for slug in slugs)


def _library_decides(self: Provider, encoded: bytes) -> dict[int, Item]:
    """Whatever a lax library makes of the bytes."""
    try:
        content = cbor2.loads(encoded)
    except (cbor2.CBORDecodeError, ValueError):
        raise RefuseError("MALFORMED") from None
    content = {key: value for key, value in content.items() if type(key) is int}
    return shapes.known("chat-request", content)


def without(*keys: int) -> Any:
    """A reader that loses parameters."""

    def judge_content(self: Provider, encoded: bytes) -> dict[int, Item]:
        content = Provider.judge_content(self, encoded)
        return {key: value for key, value in content.items() if key not in keys}

    return judge_content


def _skips_even_keys(self: Provider, encoded: bytes) -> dict[int, Item]:
    try:
        content = dcbor.decode(encoded)
    except dcbor.NotDeterministicError:
        raise RefuseError("MALFORMED") from None
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if key % 2 or key <= 28}
    return Provider.judge_content(self, dcbor.encode(content))


def _knows_every_key(self: Provider, encoded: bytes) -> dict[int, Item]:
    content = Provider.judge_content(self, encoded)
    if set(dcbor.decode(encoded)) - set(range(31)):
        raise RefuseError("MALFORMED")
    return content


def _refusing(refuses: Callable[[dict[int, Item]], bool]) -> Any:
    """A reader with rules of its own."""

    def judge_content(self: Provider, encoded: bytes) -> dict[int, Item]:
        content = Provider.judge_content(self, encoded)
        if refuses(content):
            raise RefuseError("MALFORMED")
        return content

    return judge_content


def _is_at_a_bound(content: dict[int, Item]) -> bool:
    return content.get(6) == 2_000_000 or content.get(12) == 0


def _is_unusual(content: dict[int, Item]) -> bool:
    return any(not each[1] or max(each[1]) > "\uffff" for each in content[2])


def _mistakes_for_unsupported(self: Provider, encoded: bytes) -> dict[int, Item]:
    try:
        return Provider.judge_content(self, encoded)
    except RefuseError:
        raise RefuseError("UNSUPPORTED") from None


MUTANTS = (
    Mutant(
        slug="calls-every-content-unsupported",
        page="Refuses with UNSUPPORTED what is malformed, so that the caller asks everybody else the same.",
        breaks=("INF-003~1", "INF-004~2"),
        kills=_cases(
            "refuse-empty-content",
            "refuse-content-of-no-map",
            "refuse-content-without-operation",
            "refuse-content-without-model",
            "refuse-content-without-messages",
            "refuse-content-without-max-tokens",
            "refuse-content-without-deadline",
            "refuse-operation-of-text",
            "refuse-empty-model",
            "refuse-long-model",
            "refuse-message-without-content",
            "refuse-message-of-bytes",
            "refuse-max-tokens-0",
            "refuse-deadline-0",
            "refuse-empty-stop-sequence",
        ),
        connection=provider_with(judge_content=_mistakes_for_unsupported),
    ),
    Mutant(
        slug="decodes-with-a-lax-library",
        page="Takes every content that its CBOR library takes: floats, tags, any order of keys, bytes behind the end.",
        breaks=("INF-003~1",),
        kills=_cases(
            "refuse-trailing-content",
            "refuse-content-not-shortest",
            "refuse-content-keys-descending",
            "refuse-content-key-twice",
            "refuse-content-text-key",
            "refuse-content-nan",
            "refuse-content-float",
            "refuse-content-tagged",
            "refuse-content-indefinite",
            "refuse-content-too-deep",
            "refuse-content-of-too-many-items",
        ),
        connection=provider_with(judge_content=_library_decides),
    ),
    Mutant(
        slug="reads-what-is-no-item-as-nothing",
        page="Goes on with an empty content where the bytes are no item.",
        breaks=("INF-003~1",),
        kills=_cases("refuse-empty-content", "refuse-truncated-content", "refuse-content-bad-utf8"),
        node=skipping("INF-003"),
    ),
    Mutant(
        slug="takes-parameters-of-any-value",
        page="Answers whatever the parameters are: budgets, roles and temperatures that no rule allows.",
        breaks=("INF-004~2",),
        kills=_cases(
            "refuse-unknown-key-of-message",
            "refuse-too-many-messages",
            "refuse-no-messages",
            "refuse-role-0",
            "refuse-role-5",
            "refuse-message-without-role",
            "refuse-max-tokens-too-many",
            "refuse-max-tokens-true",
            "refuse-deadline-too-long",
            "refuse-no-stop-sequences",
            "refuse-too-many-stop-sequences",
            "refuse-long-stop-sequence",
            "refuse-temperature-null",
            "refuse-temperature-too-low",
            "refuse-temperature-too-high",
            "refuse-top-p-0",
            "refuse-top-p-too-high",
            "refuse-top-k-too-low",
            "refuse-top-k-too-high",
            "refuse-min-p-too-low",
            "refuse-min-p-too-high",
            "refuse-presence-penalty-too-low",
            "refuse-presence-penalty-too-high",
            "refuse-frequency-penalty-too-low",
            "refuse-frequency-penalty-too-high",
            "refuse-seed-negative",
            "refuse-repetition-penalty-0",
            "refuse-no-logit-bias",
            "refuse-logit-bias-too-high",
            "refuse-too-many-logprobs",
            "refuse-no-tools",
            "refuse-tool-without-name",
            "refuse-long-tool-name",
            "refuse-tool-parameters-of-a-map",
            "refuse-tool-choice-3",
            "refuse-parallel-tool-calls-1",
            "refuse-response-format-of-a-number",
            "refuse-schema-of-a-map",
            "refuse-reasoning-effort-6",
            "refuse-too-many-calls",
        ),
        node=skipping("INF-004", "INF-034", node=node_with(applies=frozenset(range(14, 33)))),
    ),
    Mutant(
        slug="knows-every-operation",
        page="Answers any operation as if it were a chat.",
        breaks=("INF-005~1",),
        kills=_cases(
            "refuse-unknown-operation",
            "refuse-operation-0",
            "refuse-operation-negative",
            "refuse-content-of-another-operation",
        ),
        node=skipping("INF-005"),
    ),
    Mutant(
        slug="ignores-parameters-that-it-does-not-know",
        page="Takes an unknown even key of the content for one that may be ignored.",
        breaks=("INF-004~2", "EXT-001~1", "INF-006~1"),
        kills=_cases("refuse-unknown-parameter"),
        connection=provider_with(judge_content=_skips_even_keys),
        row=15,
    ),
    Mutant(
        slug="refuses-odd-keys-of-content",
        page="Refuses a content for a key that a reader has to ignore.",
        breaks=("EXT-006~1",),
        kills=_cases("ignore-odd-keys-of-content"),
        connection=provider_with(judge_content=_knows_every_key),
    ),
    Mutant(
        slug="refuses-long-conversations",
        page="Calls a conversation of more than a hundred messages malformed.",
        breaks=("INF-004~2",),
        kills=_cases("accept-most-messages"),
        connection=provider_with(judge_content=_refusing(lambda content: len(content[2]) > 100)),
    ),
    Mutant(
        slug="takes-roles-for-granted",
        page="Refuses a conversation in which the system or the model speaks.",
        breaks=("INF-004~2",),
        kills=_cases("accept-every-role"),
        connection=provider_with(judge_content=_refusing(lambda content: any(each[0] != 2 for each in content[2]))),
    ),
    Mutant(
        slug="wants-text-of-letters",
        page="Refuses messages that are empty, or hold anything beyond the Basic Multilingual Plane.",
        breaks=("INF-004~2",),
        kills=_cases("accept-empty-message", "accept-unicode"),
        connection=provider_with(judge_content=_refusing(_is_unusual)),
    ),
    Mutant(
        slug="refuses-parameters-at-their-bounds",
        page="Takes a bound that belongs to the range for one that does not.",
        breaks=("INF-004~2",),
        kills=_cases(*_PARAMETERS),
        connection=provider_with(judge_content=_refusing(_is_at_a_bound)),
    ),
    Mutant(
        slug="loses-top-p",
        page="Drops top_p on the way to its model.",
        breaks=("INF-006~1",),
        kills=_cases("apply-top-p"),
        connection=provider_with(judge_content=without(7)),
        row=15,
    ),
    Mutant(
        slug="loses-top-k-and-min-p",
        page="Drops top_k and min_p on the way to its model.",
        breaks=("INF-006~1",),
        kills=_cases("apply-top-k", "apply-min-p"),
        connection=provider_with(judge_content=without(8, 9)),
        row=15,
    ),
)
