"""Log-probabilities as OpenAI's families write them: nats, from micro-nats below certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mycellm_proto.content import MILLION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mycellm_proto.answer import Candidate, Logprob


def _nats(candidate: Candidate) -> float:
    return -candidate.below / MILLION


def _text(candidate: Candidate) -> str:
    return candidate.text.decode("utf-8", "replace")


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"token": _text(candidate), "logprob": _nats(candidate), "bytes": list(candidate.text)}


def content(logprobs: Iterable[Logprob]) -> list[dict[str, Any]]:
    """The list of tokens that chat completions and responses have."""
    return [
        _candidate(each.token) | {"top_logprobs": [_candidate(candidate) for candidate in each.top]}
        for each in logprobs
    ]


def legacy(logprobs: Sequence[Logprob], offset: int) -> dict[str, Any]:
    """The object that text completions have; ``offset`` is where the text begins, in characters."""
    offsets = []
    for each in logprobs:
        offsets.append(offset)
        offset += len(_text(each.token))
    return {
        "tokens": [_text(each.token) for each in logprobs],
        "token_logprobs": [_nats(each.token) for each in logprobs],
        "top_logprobs": [{_text(candidate): _nats(candidate) for candidate in each.top} for each in logprobs],
        "text_offset": offsets,
    }
