"""Sampling: the stated algorithm, its distribution, and what decides a draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.content import Sampling
from mycellm_proto.errors import ErrorCode
from reference_node.engine.sampling import Sampler, SamplingPlan, candidates, gumbel_noise, plan_sampling
from reference_node.generation import GenerationError
from reference_node.models import GenerationDefaults

DEFAULTS = GenerationDefaults(temperature=200_000, top_p=900_000)


def plan(**changed: Any) -> SamplingPlan:
    values: dict[str, Any] = {
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
        "seed": 1,
    }  # fmt: skip
    return SamplingPlan(**(values | changed))


def logits_of(*probabilities: float) -> Any:
    return np.log(np.array(probabilities, np.float32))


def kept(logits: Any, **changed: Any) -> list[int]:
    return [int(i) for i in candidates(logits.astype(np.float64) - float(logits.max()), plan(**changed))]


def test_defaults_are_the_models() -> None:
    filled = plan_sampling(Sampling(), DEFAULTS)
    assert (filled.temperature, filled.top_p, filled.top_k, filled.min_p) == (0.2, 0.9, 0, 0.0)
    assert plan_sampling(Sampling(temperature=0), DEFAULTS).temperature == 0
    assert plan_sampling(Sampling(), DEFAULTS).seed != plan_sampling(Sampling(), DEFAULTS).seed
    assert plan_sampling(Sampling(seed=-1), DEFAULTS).seed == 2**64 - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"top_p": 1_000_001},
        {"top_p": -1},
        {"top_k": -1},
        {"min_p": 2_000_000},
        {"presence_penalty": 10**12},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(GenerationError) as caught:
        plan_sampling(Sampling(**wrong), DEFAULTS)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.MALFORMED


def test_greedy_takes_the_first_of_the_highest() -> None:
    assert Sampler(plan(temperature=0)).draw(np.array([1, 3, 3, 2], np.float32), 0) == 1


def test_candidates() -> None:
    logits = logits_of(0.1, 0.5, 0.15, 0.25)
    assert kept(logits) == [1, 3, 2, 0]
    assert kept(logits, top_k=2) == [1, 3]
    assert kept(logits, top_p=0.7) == [1, 3]
    assert kept(logits, top_p=0.8) == [1, 3, 2]
    assert kept(logits, top_p=0.0) == [1]
    assert kept(logits, min_p=0.25) == [1, 3, 2]
    assert kept(logits, min_p=1.0) == [1]
    assert kept(np.zeros(4, np.float32), top_k=2) == [0, 1]


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=60), st.floats(0, 1), st.integers(0, 8), st.floats(0, 1)
)
def test_candidates_are_those_of_a_full_sort(values: list[float], top_p: float, top_k: int, min_p: float) -> None:
    scaled = np.array(values, np.float64) - max(values)
    order = np.argsort(-np.exp(scaled), kind="stable")
    shares = np.exp(scaled) / np.exp(scaled).sum()
    expected: list[int] = []
    mass = 0.0
    for i in order:
        within = (top_k == 0 or len(expected) < top_k) and (top_p == 1 or not expected or mass < top_p - 1e-9)
        if within and np.exp(scaled[i]) >= min_p:
            expected.append(int(i))
            mass += shares[i]
    got = [int(i) for i in candidates(scaled, plan(top_p=top_p, top_k=top_k, min_p=min_p))]
    # A sum that lands on top_p itself may fall on either side of it by rounding.
    assert got[: len(expected)] == expected
    assert len(got) <= len(expected) + (abs(mass - top_p) < 1e-8)


def test_noise_is_the_stated_generator() -> None:
    """Known words of Philox4x64-10 with key (5, 0) at counter (0, 0, 0, 9), and the stated arithmetic."""
    words = np.random.Philox(key=[5, 0], counter=[0, 0, 0, 9]).random_raw(8)
    uniform = [((int(word) >> 11) + 0.5) / 2**53 for word in words]
    expected = [-np.log(-np.log(u)) for u in uniform]
    np.testing.assert_allclose(gumbel_noise(5, 9, np.arange(8), 8), expected)
    np.testing.assert_array_equal(
        gumbel_noise(5, 9, np.array([6, 2]), 100), gumbel_noise(5, 9, np.arange(8), 8)[[6, 2]]
    )


def test_a_seed_decides_the_draw_and_a_position_changes_it() -> None:
    logits = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    first = [Sampler(plan(seed=3)).draw(logits, position) for position in range(50)]
    assert first == [Sampler(plan(seed=3)).draw(logits, position) for position in range(50)]
    assert first != [Sampler(plan(seed=4)).draw(logits, position) for position in range(50)]
    assert len(set(first)) > 20


def test_draws_follow_the_distribution() -> None:
    probabilities = [0.5, 0.3, 0.15, 0.05]
    sampler, logits = Sampler(plan(seed=11)), logits_of(*probabilities)
    count = 4000
    seen = np.bincount([sampler.draw(logits, position) for position in range(count)], minlength=4) / count
    np.testing.assert_allclose(seen, probabilities, atol=0.03)


def test_temperature_sharpens() -> None:
    sampler, logits = Sampler(plan(seed=11, temperature=0.25)), logits_of(0.4, 0.6)
    share = np.mean([sampler.draw(logits, position) for position in range(2000)])
    assert abs(share - 0.6**4 / (0.6**4 + 0.4**4)) < 0.04


def test_penalties() -> None:
    logits = np.array([2.0, 1.5, 0.0], np.float32)
    sampler = Sampler(plan(temperature=0, presence_penalty=1.0))
    assert [sampler.draw(logits, i) for i in range(3)] == [0, 1, 0]
    sampler = Sampler(plan(temperature=0, frequency_penalty=1.0))
    assert [sampler.draw(logits, i) for i in range(6)] == [0, 1, 0, 1, 0, 2]
    assert list(logits) == [2.0, 1.5, 0.0]
