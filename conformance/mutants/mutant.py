"""What a mutant is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.entropy import Entropy
from conformance.honest.adapter import HonestAdapter
from conformance.honest.connection import Connection
from conformance.honest.consumer import Consumer
from conformance.honest.initiator import Initiator
from conformance.honest.model import Model
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.honest.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A peer that breaks one rule, and the cases that have to see it."""

    slug: str
    page: str
    """What it does, for people."""
    breaks: tuple[str, ...]
    """The requirements that it breaks, with their revisions; the findings against it have to name one of them."""
    kills: tuple[str, ...]
    """Ids of the cases that have to fail."""
    node: Callable[[Entropy], Node] = Node
    connection: type[Connection] = Connection
    adapter: type[HonestAdapter] = HonestAdapter
    row: int | None = None
    """The row of SPEC.md's appendix of failures seen in the field, from 1."""


def skipping(*requirements: str, model: Model | None = None, node: type[Node] = Node) -> Callable[[Entropy], Node]:
    """Nodes that do not enforce some requirements (ids without revision)."""
    return partial(node, rules=Rules(frozenset(requirements)), model=model)


def node_with(**attributes: Any) -> type[Node]:
    """A kind of node with other attributes or methods."""
    return type("MutantNode", (Node,), attributes)


def connection_with(**attributes: Any) -> type[Connection]:
    """A kind of connection with other attributes or methods."""
    return type("MutantConnection", (Connection,), attributes)


def provider_with(**attributes: Any) -> type[Connection]:
    """A kind of connection whose exchanges have other attributes or methods."""
    return connection_with(provider=type("MutantProvider", (Provider,), attributes))


def adapter_with(**attributes: Any) -> type[HonestAdapter]:
    """A kind of adapter whose verbs do something else."""
    return type("MutantAdapter", (HonestAdapter,), attributes)


def initiator_with(**attributes: Any) -> type[HonestAdapter]:
    """Nodes whose dialed connections have other attributes or methods."""
    return adapter_with(initiator=type("MutantInitiator", (Initiator,), attributes))


def consumer_with(**attributes: Any) -> type[HonestAdapter]:
    """Nodes whose requests have other attributes or methods."""
    return initiator_with(consumer=type("MutantConsumer", (Consumer,), attributes))
