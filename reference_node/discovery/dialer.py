"""Dials what was learnt: with the node's key pinned, slowly, never more than so many. SPEC.md section "Discovery"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mycellm_proto.limits import LEARNT_DIALS, REDIAL_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mycellm_proto.invite import Address

    from ..node.peer_link import PeerLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast discovery goes, in seconds. Slower is allowed, faster is for who tries it out (DSC-008)."""

    dial_s: float = 1 / LEARNT_DIALS
    redial_s: float = REDIAL_INTERVAL
    lan_s: float = 3600.0
    """Before a node of the LAN is dialed again that was not there, or shares nothing with this one."""
    ask_s: float = 30.0
    """Between two questions to random peers."""
    save_s: float = 60.0
    settle_s: float = 300.0
    """How long a peer may be of no use before another gets its place."""
    answer_s: float = 1.0
    """How long peers may take to hear that this node leaves."""


class Place(Protocol):
    """Somewhere that a node may be: a record's lead, or what the LAN shows."""

    due: float

    @property
    def node(self) -> bytes:
        """The key that it must prove."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where it may be dialed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """A link that this node dialed because of what it learnt, and when."""

    place: Place
    address: Address
    since: float


class Dialer:
    """``candidates`` gives the places to dial, the best first; ``dial`` begins a connection and raises `OSError` or
    `ValueError` where it cannot; ``failed`` hears of those; ``most`` bounds the links that stand at once.
    """

    def __init__(
        self,
        candidates: Callable[[], Iterable[Place]],
        dial: Callable[[Place, Address], PeerLink],
        failed: Callable[[Place], None],
        *,
        most: int,
        pace: Pace,
        now: Callable[[], float],
    ) -> None:
        self.attempts: dict[PeerLink, Attempt] = {}
        self._candidates = candidates
        self._dial = dial
        self._failed = failed
        self._most = most
        self._pace = pace
        self._now = now
        self._dialed: dict[Address, float] = {}
        self._wake = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether as many links stand as may."""
        return len(self.attempts) >= self._most

    def wake(self) -> None:
        """There may be something new to dial."""
        self._wake.set()

    async def run(self) -> None:
        """Dial, until cancelled."""
        while True:
            self._wake.clear()
            if not self.full and (chosen := self._choose()) is not None:
                self._begin(*chosen)
                await asyncio.sleep(self._pace.dial_s)
                continue
            try:
                async with asyncio.timeout(self._pace.redial_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _choose(self) -> tuple[Place, Address] | None:
        now = self._now()
        self._dialed = {each: when for each, when in self._dialed.items() if now < when + self._pace.redial_s}
        for place in self._candidates():
            for address in place.addresses:
                if address not in self._dialed:
                    return place, address
        return None

    def _begin(self, place: Place, address: Address) -> None:
        self._dialed[address] = now = self._now()
        try:
            link = self._dial(place, address)
        except (OSError, ValueError):
            self._failed(place)
            return
        self.attempts[link] = Attempt(place=place, address=address, since=now)
