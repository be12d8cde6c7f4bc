"""The sampling parameters that all OpenAI-style bodies share. Numbers become millionths here and nowhere else."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt

from mycellm_proto.content import MILLION, Sampling
from mycellm_proto.limits import MAX_LOGIT_BIAS, MAX_TOKEN_ID

from .checks import Penalty, Seed, Stops, Strict, Temperature, TokenCount, TopK, TopP, wrong

MAX_CHOICES = 16
"""Answers to one request: each takes a slot and a place in the queue."""
_TOKEN_ID = re.compile(r"[0-9]{1,10}", re.ASCII)


def _token_ids(bias: dict[str, float]) -> dict[str, float]:
    if not all(_TOKEN_ID.fullmatch(token) and int(token) <= MAX_TOKEN_ID for token in bias):
        raise wrong('the keys are token ids, such as "50256"')
    return bias


class StreamOptions(Strict):
    """Options of a stream. ``include_obfuscation`` pads OpenAI's own streams, and has no effect here."""

    include_usage: StrictBool | None = None
    include_obfuscation: StrictBool | None = None


class SamplingBody(Strict):
    """Parameters of chat and text completions alike."""

    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[StrictInt, Field(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    min_p: Annotated[StrictFloat, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[StrictFloat, Field(gt=0, le=10)] | None = None
    logit_bias: (
        Annotated[
            dict[str, Annotated[StrictFloat, Field(ge=-100, le=100)]],
            Field(max_length=MAX_LOGIT_BIAS),
            AfterValidator(_token_ids),
        ]
        | None
    ) = None
    seed: Seed | None = None
    stop: Stops | None = None

    def sampling(self, choice: int = 0) -> Sampling:
        """How tokens of one choice are drawn: choices differ in their seeds, where one was given."""
        return Sampling(
            temperature=millionths(self.temperature),
            top_p=None if self.top_p is None else max(1, round(self.top_p * MILLION)),  # 0 would draw from nothing
            top_k=None if self.top_k is None else max(0, self.top_k),  # other servers write -1 for all tokens
            min_p=millionths(self.min_p),
            presence_penalty=millionths(self.presence_penalty),
            frequency_penalty=millionths(self.frequency_penalty),
            repetition_penalty=_positive(self.repetition_penalty),
            logit_bias=tuple(sorted((int(token), round(bias * MILLION)) for token, bias in self._bias())),
            seed=None if self.seed is None else (self.seed + choice) % (1 << 64),  # distinct seeds stay distinct
        )

    def _bias(self) -> list[tuple[str, float]]:
        merged = {int(token): bias for token, bias in (self.logit_bias or {}).items()}  # "7" and "07" are one token
        return [(str(token), bias) for token, bias in merged.items()]

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


def millionths(value: float | None) -> int | None:
    """A parameter as it crosses."""
    return None if value is None else round(value * MILLION)


def _positive(value: float | None) -> int | None:
    return None if value is None else max(1, round(value * MILLION))
