"""Draws tokens: Gumbel-max over a counter-based generator, so that a seed decides a text whatever else is in the batch
(`reference_node.engine.runner.Step.exact` sees to its logits).

The draw of the token at absolute position ``p`` (tokens before it, the prompt's included) with seed ``s``:

1. Repetition penalty ``r``, for every token of the prompt and of the answer so far: a positive logit is divided by
   ``r``, another one multiplied. Then subtract ``presence`` from the logit of every token generated before, and
   ``frequency`` for each time. Then add the request's bias. Then what the answer's form forbids
   (`reference_node.engine.grammar`) gets no probability.
2. Temperature 0: the highest logit, the lowest id among equals. Otherwise divide by the temperature.
3. Candidates, most probable first (lowest id among equals): at most ``top_k``; then the fewest whose probability, over
   the whole vocabulary, adds up to ``top_p``; then those with at least ``min_p`` times the first one's probability.
4. Token ``i`` gets the noise ``-log(-log(u_i))`` with ``u_i = ((r_i >> 11) + 0.5) * 2**-53``, where ``r_i`` is the i-th
64-bit
   word of Philox4x64-10 (Salmon et al., 2011; numpy's) with key ``(s, 0)`` and counter ``(0, 0, 0, p)``. The candidate
   with the highest sum of scaled logit and noise is drawn.

An auditor who has the logits and the seed can compute the same (design: checking what was served).
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mycellm_proto.content import MILLION, Sampling
from mycellm_proto.errors import ErrorCode
from reference_node.generation import GenerationError
from reference_node.models.manifest import GenerationDefaults

SEED_BITS = 64

MAX_TEMPERATURE = 100 * MILLION
MAX_PENALTY = 100 * MILLION
MAX_BIAS = 100 * MILLION
"""Far beyond any use (APIs allow 2): only so that no arithmetic overflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """Sampling parameters with every default filled in, as real numbers."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    repetition_penalty: float = 1.0
    bias: dict[int, float] = field(default_factory=dict)


def plan_sampling(wanted: Sampling, defaults: GenerationDefaults) -> SamplingPlan:
    """Fills in the model's defaults, and a random seed. Raises `GenerationError` (MALFORMED) for what is out of
    range.
    """

    def pick(value: int | None, default: int, low: int, high: int) -> int:
        chosen = default if value is None else value
        if not low <= chosen <= high:
            raise GenerationError(ErrorCode.MALFORMED, limit=high, actual=chosen)
        return chosen

    penalty = (-MAX_PENALTY, MAX_PENALTY)
    return SamplingPlan(
        temperature=pick(wanted.temperature, defaults.temperature, 0, MAX_TEMPERATURE) / MILLION,
        top_p=pick(wanted.top_p, defaults.top_p, 0, MILLION) / MILLION,
        top_k=pick(wanted.top_k, defaults.top_k, 0, (1 << 31) - 1),
        min_p=pick(wanted.min_p, defaults.min_p, 0, MILLION) / MILLION,
        presence_penalty=pick(wanted.presence_penalty, 0, *penalty) / MILLION,
        frequency_penalty=pick(wanted.frequency_penalty, 0, *penalty) / MILLION,
        seed=secrets.randbits(SEED_BITS) if wanted.seed is None else wanted.seed % (1 << SEED_BITS),
        repetition_penalty=pick(wanted.repetition_penalty, MILLION, 1, MAX_PENALTY) / MILLION,
        bias={token: pick(bias, 0, -MAX_BIAS, MAX_BIAS) / MILLION for token, bias in wanted.logit_bias},
    )


class Sampler:
    """Draws the tokens of one answer to ``prompt``. A bias of ids that the vocabulary does not have is of no token."""

    def __init__(self, plan: SamplingPlan, prompt: Sequence[int] = ()) -> None:
        self._plan = plan
        self._counts: Counter[int] = Counter()
        self._seen = set(prompt) if plan.repetition_penalty != 1 else set()
        self._changes = bool(
            plan.presence_penalty or plan.frequency_penalty or plan.repetition_penalty != 1 or plan.bias
        )

    def draw(self, logits: NDArray[np.float32], position: int, allowed: NDArray[np.bool_] | None = None) -> int:
        """The token at ``position``, from logits [vocabulary], which are left as they are. ``allowed`` says for each
        token whether it may come.
        """
        if self._changes:
            logits = self._change(logits)
        if allowed is not None:
            logits = np.where(allowed, logits, np.float32(-np.inf))
        token = int(logits.argmax()) if self._plan.temperature == 0 else self._draw_random(logits, position)
        if self._changes:
            self._counts[token] += 1
        return token

    def _change(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        plan, changed = self._plan, logits.copy()
        if plan.repetition_penalty != 1:
            seen, factor = np.fromiter(self._seen.union(self._counts), np.int64), plan.repetition_penalty
            repeated = changed[seen]
            changed[seen] = np.where(repeated > 0, repeated / factor, repeated * factor)
        if plan.presence_penalty or plan.frequency_penalty:
            for token, count in self._counts.items():
                changed[token] -= plan.presence_penalty + count * plan.frequency_penalty
        for token, bias in plan.bias.items():
            if token < len(changed):
                changed[token] += bias
        return changed

    def _draw_random(self, logits: NDArray[np.float32], position: int) -> int:
        scaled = (logits.astype(np.float64) - float(logits.max())) / self._plan.temperature
        ids = candidates(scaled, self._plan)
        noise = gumbel_noise(self._plan.seed, position, ids, len(scaled))
        return int(ids[(scaled[ids] + noise).argmax()])


def candidates(scaled: NDArray[np.float64], plan: SamplingPlan) -> NDArray[np.int64]:
    """The ids of step 3, most probable first. ``scaled``: logits over temperature, their maximum 0."""
    weights = np.exp(scaled)
    total = weights.sum()
    count = len(weights)
    # Tokens under this share add up to less than 1 - top_p, so none of them is in the nucleus: sort only the others.
    floor = max((1 - plan.top_p) * total / count, plan.min_p)
    if 0 < plan.top_k < count:
        floor = max(floor, np.partition(weights, count - plan.top_k)[count - plan.top_k])
    ids = np.flatnonzero(weights >= floor)
    ids = ids[np.argsort(-weights[ids], kind="stable")]
    if plan.top_k:
        ids = ids[: plan.top_k]
    if plan.top_p < 1:
        before = np.cumsum(weights[ids]) - weights[ids]
        ids = ids[: max(1, int((before < plan.top_p * total).sum()))]
    return ids


def gumbel_noise(seed: int, position: int, ids: NDArray[np.int64], vocabulary: int) -> NDArray[np.float64]:
    """The noise of step 4 for those ids."""
    words = np.random.Philox(key=[seed, 0], counter=[0, 0, 0, position]).random_raw(vocabulary)
    uniform = ((words[ids] >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    noise: NDArray[np.float64] = -np.log(-np.log(uniform))
    return noise
