"""The suite as members of a settled network whose accounts the target keeps: opens, ticks and receipts of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance import signing
from conformance.dcbor import Item
from conformance.members import Signed
from conformance.offer import Quote, chain
from conformance.signing import Key

from .initiator import Initiator
from .networks import PROVE, SHOW, connected
from .target import MODEL

if TYPE_CHECKING:
    from .session import Session

RESERVE, SETTLE, BALANCE, REPORT = 5, 6, 7, 10
TICK = 8
"""Micro-credits of a tick."""
PRICE_IN, PRICE_OUT = 1, 4
_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A member of the target's network, on a connection of its own."""

    session: Session
    network: bytes
    key: Key
    side: Initiator
    membership: Signed

    async def introduce(self) -> None:
        """PROVE and SHOW."""
        assert self.side.link.binding is not None  # connected
        blind = signing.blind(self.network, self.side.link.binding, self.key.public)
        await self.side.answered(self.side.call(PROVE, {0: blind}))
        await self.side.answered(self.side.call(SHOW, {0: self.network, 1: self.membership, 3: None}))

    async def again(self) -> Party:
        """The same member on a new connection."""
        self.session.key = self.key
        party = Party(
            session=self.session,
            network=self.network,
            key=self.key,
            side=await connected(self.session),
            membership=self.membership,
        )
        await party.introduce()
        return party

    async def calls(self, procedure: int, arguments: Item) -> Any:
        """One call, to its answer."""
        return await self.side.answered(self.side.call(procedure, arguments))

    async def balance(self) -> None:
        """BALANCE."""
        await self.calls(BALANCE, {0: self.network})

    async def settle(self, *claims: dict[int, Item]) -> None:
        """SETTLE."""
        await self.calls(SETTLE, {0: list(claims)})


class Deal:
    """One open of a consumer's to a provider, with its quote and its ticks."""

    def __init__(
        self,
        consumer: Party,
        provider: Party,
        *,
        ceiling: int,
        sequence: int | None = None,
        quote: dict[int, Item] | None = None,
        **changes: Item,
    ) -> None:
        session = consumer.session
        self.consumer, self.provider = consumer, provider
        self.entropy = session.entropy
        terms: dict[int, Item] = {
            0: provider.key.public,
            1: consumer.network,
            2: MODEL,
            3: bytes(range(32)),
            4: 8192,
            5: PRICE_IN,
            6: PRICE_OUT,
            7: TICK,
            8: 1,
            9: 2,
            10: int(session.environment.clock()) + _MINUTE,
        }
        self.quote = provider.key.signed(signing.QUOTE, terms | (quote or {}))
        offer = Quote.read(self.quote[0])
        self.links = chain(session.entropy.take(32), offer.most_ticks(min(ceiling, 10**6)))
        self.opened: dict[int, Item] = {
            0: consumer.network,
            1: consumer.key.public,
            2: provider.key.public,
            3: session.sequence() if sequence is None else sequence,
            4: None,
            5: offer.name,
            6: session.entropy.take(32),
            7: ceiling,
            8: self.links[0],
        } | {int(key[1:]): value for key, value in changes.items()}
        self.open = consumer.key.signed(signing.OPEN, self.opened)

    def reserve(self, seconds: int = 600, **changes: Item) -> dict[int, Item]:
        """The arguments of RESERVE."""
        asked: dict[int, Item] = {0: self.quote, 1: self.open, 2: self.consumer.membership, 4: seconds}
        return asked | {int(key[1:]): value for key, value in changes.items()}

    def claim(self, k: int, **changes: Item) -> dict[int, Item]:
        """A claim of k ticks."""
        asked: dict[int, Item] = {0: self.quote, 1: self.open, 2: k, 3: self.links[min(k, len(self.links) - 1)]}
        return asked | {int(key[1:]): value for key, value in changes.items()}

    def closed(self, k: int, tokens: int, *, signer: Key | None = None, **changes: Item) -> dict[int, Item]:
        """A claim of k ticks with a close over so many output tokens, and ten of input."""
        close: dict[int, Item] = {
            0: signing.name(signing.OPEN, self.open[0]),
            1: self.opened[6],
            2: self.entropy.take(32),
            3: bytes(range(32)),
            4: 10,
            5: tokens,
            6: 10 * PRICE_IN + tokens * PRICE_OUT,
            7: 1,
            8: 0,
        }
        close |= {int(key[1:]): value for key, value in changes.items()}
        return self.claim(k) | {4: (signer or self.provider.key).signed(signing.CLOSE, close)}

    def receipt(self, k: int, tokens: int, *, by: Key | None = None, **changes: Item) -> dict[int, Item]:
        """The same with a countersignature."""
        claim = self.closed(k, tokens, **changes)
        close: Any = claim[4]
        return claim | {5: (by or self.consumer.key).sign(signing.COUNTERSIGN, close[0])}


def total(tokens: int) -> int:
    """What a receipt over so many output tokens comes to."""
    return 10 * PRICE_IN + tokens * PRICE_OUT
