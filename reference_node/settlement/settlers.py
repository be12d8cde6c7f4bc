"""How this node asks the settlement nodes of its networks: over the links that stand, or itself, by the same code."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.limits import CLOSING_TIMEOUT, MAX_RESERVATION
from mycellm_proto.settlement import AskBalance, Balance, Claim, Reserve, Reserved, Settle, Settled

from ..generation import GenerationError
from ..procedures import CallError, Refusal
from .office import RETRY_MS, Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from mycellm_proto.admission import Admitted
    from mycellm_proto.items import Item
    from mycellm_proto.settlement import Settlement

    from ..networks import Networks
    from ..node.peer_link import PeerLink
    from .office import Office

WAIT_S = 3.0
"""How long a request waits for a link to the settlement node: at its start, and when that one starts again."""
AT_ONCE = 8
"""Calls of this node at one settlement node that run at the same time: half of MAX_CALLS."""
PASSED_ON = frozenset(
    {
        ErrorCode.BAD_OPEN,
        ErrorCode.UNKNOWN_QUOTE,
        ErrorCode.QUOTE_EXPIRED,
        ErrorCode.NOT_MEMBER,
        ErrorCode.NOT_ALLOWED,
        ErrorCode.SEQUENCE_USED,
        ErrorCode.INSUFFICIENT_CREDIT,
        ErrorCode.BUSY,
    }
)
"""What a settlement node says of a reservation that its consumer is told as it is. All else is that it gave none."""

Result = TypeVar("Result", bound="Item")


class Settlers:
    """The settlement nodes. ``links`` gives the links that stand, ``now`` seconds since 1970."""

    def __init__(
        self, networks: Networks, office: Office, *, now: Callable[[], float], links: Callable[[], Iterable[PeerLink]]
    ) -> None:
        self._networks = networks
        self._office = office
        self._now = now
        self._links = links
        self._own = Caller(networks.node, networks.member)
        self._arrived = asyncio.Event()
        self._places: defaultdict[bytes, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    def settles(self, network: bytes) -> bool:
        """Whether a settlement node keeps the accounts of that network."""
        held = self._networks.get(network)
        return held is not None and held.descriptor.settled

    def changed(self) -> None:
        """Something was proved on a link."""
        self._arrived.set()

    async def secure(self, link: PeerLink, admitted: Admitted, seconds: float) -> None:
        """Have the ceiling of a request of ``link`` reserved for the ``seconds`` that it may take (SET-021).

        Raises `GenerationError`.
        """
        network = admitted.quote.network
        proof = link.protocol.proofs.proof(network)
        if proof is None:
            raise GenerationError(ErrorCode.NOT_MEMBER)
        asked = Reserve(
            quote=admitted.evidence.quote,
            open=admitted.evidence.open,
            membership=proof.membership,
            node_certificate=proof.node_certificate,
            seconds=min(MAX_RESERVATION, max(1, math.ceil(seconds + CLOSING_TIMEOUT))),  # SET-024
        )
        try:
            await self._ask(network, Procedure.RESERVE, asked, Reserved, self._office.reserve)
        except Refusal as refusal:
            retry_after = (RETRY_MS if refusal.retry_after_ms is None else refusal.retry_after_ms) / 1000
            if refusal.code not in PASSED_ON or getattr(refusal, "by_peer", True) is False:  # SET-023
                raise GenerationError(ErrorCode.SETTLEMENT_UNAVAILABLE, retry_after=retry_after) from refusal
            waits = retry_after if refusal.code is ErrorCode.BUSY else None
            raise GenerationError(
                refusal.code, limit=refusal.limit, actual=refusal.actual, retry_after=waits
            ) from refusal

    async def settle(self, network: bytes, claims: Sequence[Claim]) -> Sequence[Settlement]:
        """Show what this node holds of exchanges in ``network``; an outcome each. Raises `Refusal`."""
        asked = Settle(claims=tuple(claims))
        outcomes = (await self._ask(network, Procedure.SETTLE, asked, Settled, self._office.settle)).outcomes
        if len(outcomes) != len(claims):
            raise CallError(ErrorCode.MALFORMED, by_peer=False)
        return outcomes

    async def balance(self, network: bytes) -> Balance:
        """What this node's member has in ``network``. Raises `Refusal`."""
        asked = AskBalance(network=network)
        return await self._ask(network, Procedure.BALANCE, asked, Balance, self._office.balance)

    # Inside

    async def _ask(
        self,
        network: bytes,
        procedure: Procedure,
        asked: Item,
        kind: type[Result],
        office: Callable[..., Awaitable[Result]],
    ) -> Result:
        held = self._networks.get(network)
        settlement = None if held is None else held.descriptor.settlement
        if settlement is None:
            raise CallError(ErrorCode.NOT_MEMBER, by_peer=False)
        try:
            if settlement == self._networks.node:
                return await office(self._own, asked)
            async with self._places[settlement]:
                link = await self._link(network, settlement)
                return kind.decode(await link.call(procedure, asked.encode()))
        except ProtocolError as error:
            raise Refusal(error.code) from error

    async def _link(self, network: bytes, settlement: bytes) -> PeerLink:
        """A link on which both have proved the network. Raises `CallError` where there is none soon."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    self._arrived.clear()
                    for link in self._links():
                        peer = link.session.peer if link.session is not None and link.usable else None
                        if peer == settlement and link.protocol.proofs.mutual(network, self._now()):
                            return link
                    await self._arrived.wait()
        except TimeoutError:
            raise CallError(ErrorCode.PEER_GONE, by_peer=False) from None
