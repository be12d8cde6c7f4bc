"""Laws of the economy: what free riding may gain, asserted; how much that is, is for `python3 -m fuzz economy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz import cli, economy
from fuzz.market import ALLOWANCE, BEGIN, DAY, Trader, ask, available
from tests.runner import ROOT


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("identities", [2, 30, 1000])
def test_many_identities_get_what_one_gets(identities: int, seed: int) -> None:
    assert economy.sybil_gain(identities, seed) == 1.0
    assert economy.taken(identities, seed) <= 2 * ALLOWANCE * economy.PROVIDERS


@pytest.mark.parametrize("seed", range(3))
def test_keys_that_serve_each_other_gain_nothing_elsewhere(seed: int) -> None:
    for identities in (2, 30):
        assert economy.collusion_gain(identities, seed) == 1.0


@pytest.mark.parametrize("liars", [1, 20])
def test_claims_without_delivery_are_worth_what_was_released(liars: int) -> None:
    got, released = economy.claims_without_delivery(liars)
    assert got == released > 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_free_rider_gets_less_than_who_serves(share: float) -> None:
    honest, rider = economy.free_riders(share)
    assert honest is not None
    assert rider is not None
    assert rider < honest


def test_a_newcomer_is_served_at_once_or_after_it_has_served() -> None:
    alone, crowded = economy.newcomer(crowded=False), economy.newcomer(crowded=True)
    assert alone[0] == 1.0
    assert crowded[0] == 0.0
    assert max(crowded) == 1.0


def test_a_provider_that_gives_per_key_would_be_found() -> None:
    """The simulation is no tautology: a provider that resets its books for every new key loses by Sybils."""
    provider = Trader("faucet")
    got = 0
    for n in range(30):
        provider.credit = type(provider.credit)()
        got += ask(Trader(f"sybil {n}"), provider, ALLOWANCE, BEGIN)
    assert got == 30 * ALLOWANCE


def test_the_allowance_comes_back_after_a_day() -> None:
    provider, rider = Trader("provider"), Trader("rider")
    assert ask(rider, provider, ALLOWANCE, BEGIN) == ALLOWANCE
    assert available(provider, rider, BEGIN + DAY - 60) == 0
    assert available(provider, rider, BEGIN + DAY + 60) == ALLOWANCE


def test_the_command_is_deterministic_and_its_plot_is_the_one_in_the_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "economy.svg"
    assert cli.main(["economy", "--json", "--plot", str(plot)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["laws_hold"]
    assert plot.read_text(encoding="utf-8") == (ROOT / "fuzz/economy.svg").read_text(encoding="utf-8")


def test_another_seed_is_another_story() -> None:
    assert cli.measure(2, quick=True) != cli.measure(3, quick=True)
