"""What an owner can change, and the check of a change against what holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..config import Access, Sharing, parse_allowed, parse_node_id
from ..config.sharing import parse_network, parse_stored
from .controls import CONTROLS, Controls, number

Result = TypeVar("Result")

MAX_LISTED = 10_000
"""Nodes in one list: they are held in memory, compared with at every connection, and written whole at each change."""
MAX_ROWS = 1_000
"""Networks in the table of what is shared, and models in one of its rows."""

NUMBERS = ("price_in", "price_out", "allowance", "max_spend", "peer_slots")


class OwnerError(Exception):
    """A change that cannot be made. The message says why and what to do; ``param`` names the part of the change."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A change of controls, all of it or nothing. What is None or empty stays as it is.

    ``allow``, ``disallow``, ``block`` and ``unblock`` hold node ids as people write them, the first two also ``any``;
    ``share`` the models of some networks, None for all of them; ``reset`` names of controls that go back to the value
    of their setting, before the rest is applied.
    """

    price_in: int | None = None
    price_out: int | None = None
    allowance: int | None = None
    max_spend: int | None = None
    peer_slots: int | None = None
    paused: bool | None = None
    allow: tuple[str, ...] = ()
    disallow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    unblock: tuple[str, ...] = ()
    share: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    reset: tuple[str, ...] = ()


def apply(now: Controls, start: Controls, changes: Changes) -> tuple[Controls, frozenset[str]]:
    """The controls after a change, and the names of those that it set. Raises `OwnerError`, and then nothing holds."""
    for name in changes.reset:
        if name not in CONTROLS:
            raise OwnerError(f"There is no control {name!r}. There are: {', '.join(CONTROLS)}.", param="reset")
    now = replace(now, **{name: getattr(start, name) for name in changes.reset})
    new: dict[str, object] = {
        name: _number(name, value) for name in NUMBERS if (value := getattr(changes, name)) is not None
    }
    if changes.paused is not None:
        new["paused"] = changes.paused
    if changes.allow or changes.disallow:
        new["allow"] = _allowed(now.allow, changes)
    if changes.block or changes.unblock:
        new["block"] = _blocked(now.block, changes)
    if changes.share:
        new["share"] = _shared(now.share, changes)
    return replace(now, **new), frozenset(new)  # type: ignore[arg-type]


def _checked(param: str, parse: Callable[[str], Result], text: str) -> Result:
    try:
        return parse(text)
    except ValueError as error:
        raise OwnerError(f"{param}: {text[:100]!r} cannot be used: {error}.", param=param) from None


def _number(name: str, value: int) -> int:
    try:
        return number(name, value)
    except ValueError as error:
        raise OwnerError(f"{name}: {value} cannot be used: {error}.", param=name) from None


def _ids(param: str, texts: Iterable[str]) -> frozenset[bytes]:
    return frozenset(_checked(param, parse_node_id, text) for text in texts)


def _allowed(now: Access, changes: Changes) -> Access:
    added = [_checked("allow", parse_allowed, text) for text in changes.allow]
    removed = [_checked("disallow", parse_allowed, text) for text in changes.disallow]
    access = Access(
        anyone=(now.anyone or None in added) and None not in removed,
        node_ids=frozenset({*now.node_ids, *(entry for entry in added if entry is not None)}.difference(removed)),
    )
    if access.anyone and any(entry is not None for entry in removed):
        message = "Any node may use this one, so taking one off the list keeps nobody out. Block it, or disallow any."
        raise OwnerError(message, param="disallow")
    return Access(anyone=access.anyone, node_ids=_bounded(access.node_ids, "allow"))


def _blocked(now: frozenset[bytes], changes: Changes) -> frozenset[bytes]:
    return _bounded((now | _ids("block", changes.block)) - _ids("unblock", changes.unblock), "block")


def _shared(now: Sharing, changes: Changes) -> Sharing:
    rows = {}
    for name, models in changes.share.items():
        try:
            rows[parse_network(name)] = parse_stored(None if models is None else list(models))
        except ValueError as error:
            raise OwnerError(f"share: {name[:100]!r}: {error}.", param="share") from None
    after = now.replaced(rows)
    if len(after.table) > MAX_ROWS or any(len(models or ()) > MAX_ROWS for models in after.table.values()):
        raise OwnerError(f"share: more than {MAX_ROWS} networks, or models of one.", param="share")
    return after


def _bounded(node_ids: frozenset[bytes], param: str) -> frozenset[bytes]:
    if len(node_ids) > MAX_LISTED:
        raise OwnerError(
            f"{param}: more than {MAX_LISTED} nodes. Name those that may, not those that may not.", param=param
        )
    return node_ids
