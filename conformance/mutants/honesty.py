"""Peers that do not say what they do not know, or do not do what they say."""

from __future__ import annotations

from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError
from conformance.signing import Key

from .mutant import Mutant, connection_with, provider_with, skipping


def _refuses_what_it_offers(self: Provider) -> None:
    raise RefuseError("UNSUPPORTED")


def _another_key_each_time(self: Connection) -> None:
    self.node.key = Key(self.node.entropy.take(32))
    Connection.greet(self)


def _takes_any_operation(self: Provider, encoded: bytes) -> dict[int, Item]:
    try:
        return Provider.judge_content(self, encoded)
    except RefuseError:
        return {0: 1, 1: self.node.model.name, 2: [], 3: 1, 4: 1000}


MUTANTS = (
    Mutant(
        slug="drops-unknown-verbs",
        page="Ignores a first frame that it does not know, and its caller waits for ever.",
        breaks=("ERR-003~2",),
        kills=("honesty/refuse-random-verb",),
        node=skipping("ERR-003"),
        row=11,
    ),
    Mutant(
        slug="takes-any-operation",
        page="Answers operations that it has never heard of as if they were chats.",
        breaks=("INF-005~1",),
        kills=("honesty/refuse-random-operation",),
        connection=provider_with(judge_content=_takes_any_operation),
    ),
    Mutant(
        slug="refuses-what-it-offers",
        page="Declares CHAT and quotes a model, and supports no request for it.",
        breaks=("INF-027~2", "VER-003~1"),
        kills=("honesty/accept-chat",),
        connection=provider_with(decide=_refuses_what_it_offers),
    ),
    Mutant(
        slug="is-another-node-each-time",
        page="Makes a new key for each connection.",
        breaks=("HSK-016~1",),
        kills=("honesty/accept-same-node-twice",),
        connection=connection_with(greet=_another_key_each_time),
    ),
)
