"""What free riding gains: identities, collusion, lies and patience, against the rules of bilateral credit.

Every function is deterministic in its seed, and each has a law that its test asserts.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .market import ALLOWANCE, BEGIN, HOUR, Trader, ask, available

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDERS = 4
NODES = 60
NEIGHBOURS = 6
DEMAND = 40_000
"""What a node wants in an hour: all day long as much as an allowance."""
TICK_VALUE, PREPAID, WINDOW = 64, 1, 8
"""Of the quote of a provider that lies."""


def take_everything(attackers: Sequence[Trader], providers: Sequence[Trader], chance: random.Random, days: int) -> int:
    """``attackers`` ask in any order for any amounts until nothing is left for them, every hour of ``days``."""
    for hour in range(24 * days):
        now = BEGIN + hour * HOUR
        for provider in providers:
            for _ in range(8):
                ask(chance.choice(attackers), provider, chance.randrange(1, ALLOWANCE), now)
            for each in attackers:
                if rest := available(provider, each, now):
                    ask(each, provider, rest, now)
    return sum(each.got for each in attackers)


def taken(identities: int, seed: int, *, days: int = 2, collude: bool = False) -> int:
    """Micro-credits that one attacker with so many keys gets; with ``collude`` its keys serve each other first."""
    chance = random.Random(f"sybils {seed}")
    providers = [Trader(f"provider {n}") for n in range(PROVIDERS)]
    attackers = [Trader(f"sybil {n}", serves=collude) for n in range(identities)]
    if collude:
        for each, other in zip(attackers, [*attackers[1:], attackers[0]], strict=True):
            for one, two in ((each, other), (other, each)):
                two.allowance = 1 << 50
                ask(one, two, 1 << 40, BEGIN)
        for each in attackers:
            each.got = 0
    return take_everything(attackers, providers, chance, days)


def sybil_gain(identities: int, seed: int = 1) -> float:
    """What ``identities`` keys get, for what one key gets: 1.0 by the rules, exactly."""
    return taken(identities, seed) / taken(1, seed)


def collusion_gain(identities: int, seed: int = 1) -> float:
    """What keys get that have served each other on paper, for what they get without: 1.0 by the rules, exactly."""
    return taken(identities, seed, collude=True) / taken(identities, seed)


def free_riders(share: float, seed: int = 1, *, days: int = 3) -> tuple[float | None, float | None]:
    """How much of its demand an honest node and a free rider get, where ``share`` of all nodes serve nobody.

    None where there is no such node. An allowance here is a tenth of `ALLOWANCE`: a tenth of a node's daily demand.
    """
    chance = random.Random(f"riders {seed}")
    count = round(share * NODES)
    nodes = [Trader(f"node {n}", allowance=ALLOWANCE // 10, serves=n >= count) for n in range(NODES)]
    known: dict[Trader, list[Trader]] = {each: [] for each in nodes}
    for each in nodes:
        for other in chance.sample(nodes, NEIGHBOURS):
            if other is not each and other not in known[each]:
                known[each].append(other)
                known[other].append(each)
    for hour in range(24 * days):
        now = BEGIN + hour * HOUR
        for each in chance.sample(nodes, len(nodes)):
            wanted = DEMAND
            for other in chance.sample(known[each], len(known[each])):
                amount = min(wanted, available(other, each, now))
                if amount and other.serves:
                    wanted -= ask(each, other, amount, now)
    demand = DEMAND * 24 * days
    honest = [each.got / demand for each in nodes if each.serves]
    riders = [each.got / demand for each in nodes if not each.serves]
    return _mean(honest), _mean(riders)


def claims_without_delivery(liars: int, seed: int = 1) -> tuple[int, int]:
    """What ``liars``, asked once each, get from a consumer for claims on nothing; and the most that it released."""
    chance = random.Random(f"liars {seed}")
    victim = Trader("victim", allowance=0)
    released = 0
    crowd = [Trader(f"liar {n}") for n in range(liars)]
    for each in crowd:
        lost = TICK_VALUE * chance.randint(PREPAID, PREPAID + WINDOW)
        released += lost
        ask(victim, each, lost * 100, BEGIN, delivered=lost)  # it pays for what it never gets, and then gives up
    return take_everything(crowd, [victim], chance, 1), released


def newcomer(crowded: bool, seed: int = 1, *, hours: int = 48) -> list[float]:
    """How much of its demand a newcomer gets, hour by hour, in which its peers ask it for as much as it asks them.

    ``crowded``: free riders have emptied every allowance, hour after hour, before it asks.
    """
    chance = random.Random(f"newcomer {seed}")
    providers = [Trader(f"provider {n}") for n in range(PROVIDERS)]
    rider, new = Trader("rider", serves=False), Trader("new")
    shares = []
    for hour in range(hours):
        now = BEGIN + hour * HOUR
        if crowded:
            for provider in providers:
                if rest := available(provider, rider, now):
                    ask(rider, provider, rest, now)
        wanted = DEMAND
        for provider in chance.sample(providers, len(providers)):
            amount = min(wanted, available(provider, new, now))
            if amount:
                wanted -= ask(new, provider, amount, now)
        shares.append(1 - wanted / DEMAND)
        ask(chance.choice(providers), new, DEMAND, now)
    return shares


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
