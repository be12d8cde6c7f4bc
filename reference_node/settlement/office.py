"""The settlement node: RESERVE, SETTLE, BALANCE and REPORT, for the networks whose descriptors name this node.

What is asked is judged by the pure functions of `mycellm_proto.settlement`, then booked in the ledger. Nothing is
believed of who asks but what was proved on its connection, against the newest roll that this node has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.items import Item
from mycellm_proto.membership import MemberRole, verify_membership
from mycellm_proto.network_calls import Empty, encode_item
from mycellm_proto.settlement import (
    AskBalance,
    Balance,
    Outcome,
    Report,
    Reserve,
    Reserved,
    Settle,
    Settled,
    Settlement,
    Verified,
    check_claim,
    check_report,
    check_reserve,
)

from .. import log
from ..ledger import (
    Answer,
    Claim,
    Finalise,
    IdentityConflictError,
    InsufficientCreditError,
    LedgerError,
    LedgerUnavailableError,
    NoReservationError,
    Opened,
    State,
)
from ..ledger import Outcome as Booking
from ..procedures import Refusal
from ..store.records import identity_of
from .grants import Grants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from mycellm_proto.membership import VerifiedMember

    from ..ledger import Ledger
    from ..networks import HeldNetwork, Networks
    from ..node.peer_link import PeerLink
    from ..procedures import Procedures
    from .accounts import Accounts

RETRY_MS = 2000
"""What a caller is told to wait while the ledger cannot be used."""
MAX_STRANGERS_REPORTS = 4096
"""Fork evidence of opens that were never reserved here: who makes keys makes as much of it as it likes."""
_log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who asks: a node, and ``member`` gives what it has proved to be in a network, or None."""

    node: bytes
    member: Callable[[bytes], VerifiedMember | None]


class Office:
    """What this node answers as a settlement node. ``now`` gives seconds since 1970.

    Methods raise `Refusal` and `RemoteProtocolError`, with the code that the caller is told.
    """

    def __init__(self, networks: Networks, accounts: Accounts, now: Callable[[], float]) -> None:
        self._networks = networks
        self._accounts = accounts
        self._now = now
        self._grants = Grants(accounts)
        self._judging = ThreadPoolExecutor(1, "settlement-judge")  # hash chains: one core's worth, whoever asks
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()  # by node: one batch at a time

    def serve(self, procedures: Procedures) -> None:
        """Answer the four procedures."""
        answers: dict[Procedure, tuple[type[Item], Callable[..., Awaitable[Item | Empty]]]] = {
            Procedure.RESERVE: (Reserve, self.reserve),
            Procedure.SETTLE: (Settle, self.settle),
            Procedure.BALANCE: (AskBalance, self.balance),
            Procedure.REPORT: (Report, self.report),
        }
        for procedure, (kind, answer) in answers.items():
            procedures.serve(procedure, self._handler(kind, answer))

    @property
    def is_open(self) -> bool:
        """Whether this node keeps the accounts of any network."""
        return any(held.descriptor.settlement == self._networks.node for held in self._networks)

    async def shown(self, member: VerifiedMember) -> None:
        """A member has proved itself: what its membership grants is booked, once."""
        if self._kept(member.network) is not None:
            await self._grants.book_shown(member)

    def close(self) -> None:
        """Judge nothing more."""
        self._judging.shutdown(cancel_futures=True)

    # The procedures

    async def reserve(self, caller: Caller, asked: Reserve) -> Reserved:
        """Hold the ceiling of an open."""
        authorised = check_reserve(asked, caller=caller.node, networks=self._of(caller), now=self._now())  # SET-001
        opened = authorised.open
        held, payee = self._networks.get(opened.network), caller.member(opened.network)
        if held is None or payee is None or MemberRole.PROVIDER not in payee.roles:
            raise Refusal(ErrorCode.NOT_MEMBER)
        payer = verify_membership(  # SET-004
            asked.proof,
            descriptor=held.descriptor,
            roll=held.standing.roll,
            node=opened.consumer,
            now=self._now(),
            role=MemberRole.CONSUMER,
        )
        with self._booking(opened.network, opened.consumer):
            ledger = await self._accounts.ledger()
            await self._grants.book(ledger, payer)
            if self._accounts.is_forked(opened.network, opened.consumer):
                raise Refusal(ErrorCode.NOT_ALLOWED)
            answer = await ledger.reserve(
                Opened.of(asked.open),
                member=payer.member,
                provider_member=payee.member,
                ceiling=opened.ceiling,
                expires=int(self._now()) + asked.seconds,
            )
        if answer.settlement is None or answer.settlement.state is not State.RESERVED:
            raise Refusal(ErrorCode.SEQUENCE_USED)
        return Reserved(expires=answer.settlement.expires)

    async def settle(self, caller: Caller, asked: Settle) -> Settled:
        """Judge and book each claim by itself (SET-018)."""
        networks = self._of(caller)
        if not networks:
            raise Refusal(ErrorCode.NOT_MEMBER)

        def judge() -> list[Verified | ErrorCode]:
            verdicts: list[Verified | ErrorCode] = []
            for claim in asked.claims:
                try:
                    verdicts.append(check_claim(claim, caller=caller.node, networks=networks))
                except RemoteProtocolError as error:
                    verdicts.append(error.code)
            return verdicts

        async with self._turns.setdefault(caller.node, asyncio.Lock()):  # who asks a lot waits for itself
            verdicts = await asyncio.get_running_loop().run_in_executor(self._judging, judge)
        operations = [
            (Finalise(opened=Opened.of(claim.open), total=verdict.amount, evidence=claim.encode()))
            if verdict.final
            else Claim(opened=Opened.of(claim.open), amount=verdict.amount, evidence=claim.encode())
            for claim, verdict in zip(asked.claims, verdicts, strict=True)
            if isinstance(verdict, Verified)
        ]
        with self._booking():
            answers = iter(await (ledger := await self._accounts.ledger()).settle_many(operations))
            outcomes = [
                Settlement(outcome=Outcome.REFUSED, code=verdict)
                if not isinstance(verdict, Verified)
                else await self._outcome(ledger, verdict, next(answers))
                for verdict in verdicts
            ]
        return Settled(outcomes=tuple(outcomes))

    async def balance(self, caller: Caller, asked: AskBalance) -> Balance:
        """What the caller's member has."""
        member = caller.member(asked.network) if self._kept(asked.network) is not None else None
        if member is None:
            raise Refusal(ErrorCode.NOT_MEMBER)
        with self._booking():
            ledger = await self._accounts.ledger()
            await self._grants.book(ledger, member)
            found = await ledger.balance(asked.network, member.member)
        return Balance(balance=found.balance, reserved=found.reserved)

    async def report(self, caller: Caller, asked: Report) -> Empty:
        """Keep two opens under one identity, whoever shows them: they prove themselves (RCP-049)."""
        identity = check_report(asked)
        if self._kept(identity.network) is None:
            raise Refusal(ErrorCode.BAD_OPEN)
        with self._booking():
            ledger = await self._accounts.ledger()
            if self._accounts.is_forked(identity.network, identity.consumer):
                return Empty()
            first, second = Opened.of(asked.first), Opened.of(asked.second)
            if await ledger.settlement(first.identity) is None:
                self._admit_report(caller, identity.network)
                # Nothing was reserved under the identity. The first open takes it, for nothing and for ever.
                await ledger.reserve(
                    first,
                    member=identity.consumer,
                    provider_member=identity.provider,
                    ceiling=0,
                    expires=int(self._now()),
                )
            answers = await ledger.settle_many([Claim(opened=each, amount=0) for each in (first, second)])
            self._raise_unavailable(answers)
        self._accounts.forked.add((identity.network, identity.consumer))
        log.event(_log, logging.WARNING, "settlement.fork", consumer=identity.consumer.hex())
        return Empty()

    # Inside

    def _handler(
        self, kind: type[Item], answer: Callable[..., Awaitable[Item | Empty]]
    ) -> Callable[..., Awaitable[bytes]]:
        async def handle(link: PeerLink, arguments: bytes) -> bytes:
            assert link.session is not None
            proofs = link.protocol.proofs
            caller = Caller(link.session.peer, lambda network: proofs.peer(network, self._now()))
            result = await answer(caller, kind.decode(arguments))
            return result.encode() if isinstance(result, Item) else encode_item(result)

        return handle

    def _kept(self, network: bytes) -> HeldNetwork | None:
        """The network, where this node keeps its accounts."""
        held = self._networks.get(network)
        return held if held is not None and held.descriptor.settlement == self._networks.node else None

    def _of(self, caller: Caller) -> set[bytes]:
        """The networks that are settled here and of which the caller is a member."""
        kept = (held.id for held in self._networks if self._kept(held.id) is not None)
        return {network for network in kept if caller.member(network) is not None}

    def _admit_report(self, caller: Caller, network: bytes) -> None:
        if caller.member(network) is None and len(self._accounts.forked) >= MAX_STRANGERS_REPORTS:
            raise Refusal(ErrorCode.BUSY, retry_after_ms=RETRY_MS)

    # The ledger's answers

    async def _outcome(self, ledger: Ledger, verified: Verified, answer: Answer | LedgerError) -> Settlement:
        if isinstance(answer, Answer):
            held = answer.settlement
            booked = answer.outcome is Booking.BOOKED
            amount = 0 if held is None else held.claimed if held.total is None else held.total
            return Settlement(outcome=Outcome.BOOKED if booked else Outcome.REPEATED, amount=amount)
        opened = verified.authorised.open
        amount = 0
        if isinstance(answer, IdentityConflictError):
            self._accounts.forked.add((opened.network, opened.consumer))
        elif isinstance(answer, NoReservationError):
            held = await ledger.settlement(identity_of(opened))
            amount = 0 if held is None else held.claimed if held.total is None else held.total
        return Settlement(outcome=Outcome.REFUSED, code=_code(answer), amount=amount)

    @contextlib.contextmanager
    def _booking(self, network: bytes = b"", consumer: bytes = b"") -> Iterator[None]:
        """What the ledger refuses, as its caller is told."""
        try:
            yield
        except InsufficientCreditError as error:  # SET-008
            raise Refusal(ErrorCode.INSUFFICIENT_CREDIT, limit=error.available, actual=error.needed) from error
        except LedgerUnavailableError as error:
            self._accounts.failed(error)
            raise Refusal(ErrorCode.SETTLEMENT_UNAVAILABLE, retry_after_ms=RETRY_MS) from error
        except IdentityConflictError as error:  # SET-011
            self._accounts.forked.add((network, consumer))
            raise Refusal(ErrorCode.SEQUENCE_USED) from error
        except LedgerError as error:
            raise Refusal(_code(error)) from error
        self._accounts.worked()

    @staticmethod
    def _raise_unavailable(answers: Sequence[Answer | LedgerError]) -> None:
        if lost := [answer for answer in answers if isinstance(answer, LedgerUnavailableError)]:
            raise lost[0]


def _code(error: LedgerError) -> ErrorCode:
    match error:
        case NoReservationError():
            return ErrorCode.NO_RESERVATION
        case IdentityConflictError():
            return ErrorCode.SEQUENCE_USED
        case LedgerUnavailableError():
            return ErrorCode.SETTLEMENT_UNAVAILABLE
        case _:
            return ErrorCode.BAD_OPEN
