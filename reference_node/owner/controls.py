"""The values that an owner controls while the node runs, and how each is written in JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mycellm_proto.nodeid import encode_node_id

from ..config import SETTINGS, Access, Sharing, parse_allowed, parse_node_id
from ..config.sharing import parse_network, parse_stored

if TYPE_CHECKING:
    from ..config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Every control. Amounts are in micro-credits; a peer's id is its node key (32 bytes)."""

    price_in: int
    price_out: int
    allowance: int
    max_spend: int
    peer_slots: int
    paused: bool
    allow: Access
    block: frozenset[bytes]
    share: Sharing

    @classmethod
    def of(cls, settings: Settings) -> Controls:
        """The values with which a node starts."""
        return cls(
            price_in=settings.price_in,
            price_out=settings.price_out,
            allowance=settings.allowance,
            max_spend=settings.max_spend,
            peer_slots=settings.peer_slots,
            paused=settings.paused,
            allow=settings.access,
            block=frozenset(settings.block),
            share=settings.sharing,
        )

    def permits(self, node_id: bytes) -> bool:
        """Whether requests of the peer with that proven id are served."""
        return self.allow.permits(node_id) and node_id not in self.block


CONTROLS = tuple(field.name for field in fields(Controls))

_PARSERS = {setting.name: setting.parse for setting in SETTINGS}


def number(name: str, value: object) -> int:
    """``value`` within the bounds of the setting ``name``. Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("write a whole number")
    return int(_PARSERS[name](str(value)))


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise ValueError("write a list of texts")
    return value


def _access(value: object) -> Access:
    entries = [parse_allowed(text) for text in _texts(value)]
    return Access(anyone=None in entries, node_ids=frozenset(entry for entry in entries if entry is not None))


def _sharing(value: object) -> Sharing:
    if not isinstance(value, dict):
        raise ValueError("write a table of networks")
    return Sharing({parse_network(name): parse_stored(models) for name, models in value.items()})


def _bounded(name: str) -> Callable[[object], int]:
    return lambda value: number(name, value)


_READERS: dict[str, Callable[[Any], object]] = {
    **{name: _bounded(name) for name in ("price_in", "price_out", "allowance", "max_spend", "peer_slots")},
    "paused": _switch,
    "allow": _access,
    "block": lambda value: frozenset(map(parse_node_id, _texts(value))),
    "share": _sharing,
}


def read(name: str, value: object) -> object:
    """The control ``name`` from JSON. Raises `ValueError`."""
    return _READERS[name](value)


def write(value: object) -> object:
    """A control's value as JSON; `read` takes it back."""
    if isinstance(value, Access):
        return ["any"] * value.anyone + sorted(map(encode_node_id, value.node_ids))
    if isinstance(value, Sharing):
        return value.written()
    if isinstance(value, frozenset):
        return sorted(map(encode_node_id, value))
    return value
