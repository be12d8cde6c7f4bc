"""Providers that ignore what they owe, or honour credit that nobody, or somebody else, has earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from conformance.dcbor import Item
from conformance.honest.adapter import HonestAdapter
from conformance.honest.ledger import Draw
from conformance.honest.node import Node
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import adapter_with, node_with


def _spends_nothing(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    Node.record(self, opened, name)
    self.store.draws[name] = replace(self.store.draws[name], drawn=0)


async def _forgets_draws(self: HonestAdapter, *, kill: bool = False) -> dict[str, Any]:
    store = self.running().store
    store.draws = {name: replace(draw, drawn=0) for name, draw in store.draws.items()}
    self.running().save()
    return await HonestAdapter.restart(self, kill=kill)


def _spends_nothing_in_the_end(self: Node, name: bytes, owed: int) -> None:
    draw = self.store.draws[name]
    Node.settled(self, name, owed)
    self.store.draws[name] = replace(draw, drawn=0)
    self.save()


def _honours_everybody(self: Node, network: bytes, consumer: bytes) -> int:
    others = {each.provider for each in self.store.kept if each.role == "consumer"}
    return sum(self.store.credit(network, each) for each in {*others, consumer})


def _credits_ceilings(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    Node.signed_open(self, opened, name)
    self.store.draws[name] = Draw(network=opened[0], consumer=opened[2], covered=0, drawn=-opened[7])


_skips, _does = partial(skips, "ledger"), partial(does, "ledger")

MUTANTS = (
    _skips(
        "NET-005",
        "serves-on-no-ground",
        "Serves what neither credit nor its whole allowance pays for.",
        "refuse-beyond-the-allowance",
        row=9,
    ),
    _skips(
        "NET-006",
        "ignores-what-it-owes",
        "Serves out of its allowance alone: what others earn from it is worth nothing.",
        "serve-for-what-is-owed",
        "serve-for-what-is-owed-and-the-rest",
    ),
    _does(
        "looks-at-credit-and-takes-nothing",
        "Looks at what it owes, and takes from it when the request is over: many at once spend the same.",
        "NET-007",
        "spend-credit-once",
        node=node_with(record=_spends_nothing),
    ),
    _does(
        "honours-one-credit-for-ever",
        "Holds what it owes while a request runs, and gives it back afterwards: it is earned once, and spent for ever.",
        "NET-007",
        "remember-what-was-spent",
        row=7,
        node=node_with(settled=_spends_nothing_in_the_end),
    ),
    _does(
        "forgets-what-was-spent",
        "Forgets at each start which credit it has honoured.",
        "NET-007",
        "remember-what-was-spent",
        row=7,
        adapter=adapter_with(restart=_forgets_draws),
    ),
    _does(
        "gives-credit-transitively",
        "Honours what one peer has earned when another asks.",
        "NET-008",
        "spend-nothing-of-another-peer",
        row=9,
        node=node_with(credit=_honours_everybody),
    ),
    _does(
        "credits-what-was-authorised",
        "Counts the ceilings that it has signed as earned, whatever came of them.",
        "NET-009",
        "earn-nothing-for-a-refusal",
        "earn-no-more-by-a-bad-close",
        row=7,
        node=node_with(signed_open=_credits_ceilings),
    ),
)
