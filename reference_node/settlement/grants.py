"""What memberships grant: the quota of each serial number, booked once (SET-020)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .. import log
from ..ledger import AmountError, IdentityConflictError, LedgerUnavailableError, Outcome

if TYPE_CHECKING:
    from mycellm_proto.membership import VerifiedMember

    from ..ledger import Ledger
    from .accounts import Accounts

MAX_GRANTED = 65_536
"""Serial numbers that are remembered as granted. One that was forgotten costs a booking that changes nothing."""

_log = logging.getLogger(__name__)


class Grants:
    """The grants in the ledger of ``accounts``."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._granted: set[tuple[bytes, bytes]] = set()

    async def book_shown(self, member: VerifiedMember) -> None:
        """Book what the membership of who has just shown it grants; without a ledger, its first call does."""
        if not self._is_due(member):
            return
        try:
            await self.book(await self._accounts.ledger(), member)
        except LedgerUnavailableError as error:
            self._accounts.failed(error)

    async def book(self, ledger: Ledger, member: VerifiedMember) -> None:
        """Book what a verified membership grants. Raises `LedgerUnavailableError`."""
        if not self._is_due(member):
            return
        try:
            booked = await ledger.grant(member.network, member.member, member.quota, member.serial)
        except (IdentityConflictError, AmountError) as error:  # an authority that contradicts itself grants nothing
            log.event(_log, logging.WARNING, "settlement.not_granted", member=member.member.hex(), reason=str(error))
        else:
            if booked is Outcome.BOOKED:
                log.event(_log, logging.INFO, "settlement.granted", member=member.member.hex(), amount=member.quota)
        if len(self._granted) >= MAX_GRANTED:
            self._granted.clear()
        self._granted.add((member.network, member.serial))

    def _is_due(self, member: VerifiedMember) -> bool:
        return member.quota > 0 and (member.network, member.serial) not in self._granted
