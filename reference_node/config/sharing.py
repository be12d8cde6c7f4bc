"""What a node offers in which network: the table, and how a user writes its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK

from .values import parse_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DIRECT = "direct"
"""How people write the built-in network of nodes that belong to none."""
ALL, NONE = "all", "none"

Models = frozenset[str] | None
"""Model ids; None is every model that the node runs."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Models by network id (32 bytes). A network without a row gets every model: joining it as a provider is the
    decision to share there, a row narrows it.
    """

    table: Mapping[bytes, Models] = field(default_factory=dict)

    def permits(self, network: bytes, model: str) -> bool:
        """Whether ``model`` is offered and served in ``network``."""
        models = self.table.get(network)
        return models is None or model in models

    def replaced(self, rows: Mapping[bytes, Models]) -> Sharing:
        """The table with these rows in place of those of the same networks."""
        return Sharing({**self.table, **rows})

    def texts(self) -> list[str]:
        """As settings are written, one row a model."""
        return [
            f"{network}={model}"
            for network, models in self.written().items()
            for model in ([ALL] if models is None else models or [NONE])
        ]

    def written(self) -> dict[str, list[str] | None]:
        """As JSON: model ids by the network's name, null for every model."""
        return {
            network_name(network): None if models is None else sorted(models)
            for network, models in sorted(self.table.items())
        }


def network_name(network: bytes) -> str:
    """A network as people write it."""
    return DIRECT if network == DIRECT_NETWORK else network.hex()


def parse_network(text: str) -> bytes:
    """``direct``, or the 64 hexadecimal digits of a network id. Raises `ValueError`."""
    if text == DIRECT:
        return DIRECT_NETWORK
    try:
        network = bytes.fromhex(text)
    except ValueError:
        network = b""
    if len(text) != 64 or len(network) != len(DIRECT_NETWORK):
        raise ValueError(f"write {DIRECT}, or the 64 hexadecimal digits of a network id")
    return network


def parse_row(text: str) -> tuple[bytes, Models]:
    """``NETWORK=MODEL``, ``NETWORK=all`` or ``NETWORK=none``. Raises `ValueError`."""
    network, separator, model = text.partition("=")
    if not separator:
        raise ValueError(f"write NETWORK=MODEL, NETWORK={ALL} or NETWORK={NONE}")
    return parse_network(network), parse_models([model])


def parse_models(words: Iterable[str]) -> Models:
    """Model ids, or ``all`` or ``none`` alone. Raises `ValueError`."""
    chosen = tuple(words)
    if chosen in ((ALL,), (NONE,)):
        return None if chosen == (ALL,) else frozenset()
    if not chosen or {ALL, NONE} & set(chosen):
        raise ValueError(f"write model ids, or {ALL} or {NONE} alone")
    return frozenset(map(parse_model, chosen))


def sharing_of(rows: Iterable[tuple[bytes, Models]]) -> Sharing:
    """The table of several rows; those of one network add up."""
    table: dict[bytes, Models] = {}
    for network, models in rows:
        before = table.get(network, frozenset())
        table[network] = None if models is None or before is None else before | models
    return Sharing(table)


def parse_stored(value: object) -> Models:
    """A row as `Sharing.written` has it: a list of model ids, or None for every model. Raises `ValueError`."""
    if value is None:
        return None
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise ValueError("write a list of model ids")
    return frozenset(map(parse_model, value))
