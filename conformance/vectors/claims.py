"""Families of settlement: claim, reserve."""

from __future__ import annotations

from conformance.dcbor import Item, NotDeterministicError
from conformance.finish import CANCELLED

from .outcome import Case, Outcome, accept, reject
from .rules import Check
from .settlement import Settlement

_SKEW = 120
_MOST = 65_536


class Claims(Settlement):
    """SPEC.md, "Settlement"."""

    def claim(self, case: Case) -> Outcome:
        """A claim, as a settlement node judges it."""
        claim = self.decode(bytes.fromhex(case["claim"]))
        network, caller = bytes.fromhex(case["network"]), bytes.fromhex(case["caller"])
        code = self.unauthorised(claim, network, caller) or self.unpaid(claim) or self.not_agreed(claim)
        if code is not None:
            return reject(code=code)
        offer, opened = self.inside(claim[0]), self.inside(claim[1])
        paid = min(claim[2] * offer[7], opened[7])
        if 4 not in claim:
            return accept(amount=paid, final=False)
        total = self.inside(claim[4])[6]
        final = 5 in claim or self.is_waiver(total)
        return accept(amount=self.booked(paid, total, final=final), final=final)

    def is_waiver(self, total: int) -> bool:
        """Whether a close alone says that its provider wants nothing."""
        return total == 0

    def booked(self, paid: int, total: int, *, final: bool) -> int:
        """What a claim with a close comes to."""
        return total if final else min(paid, total)

    def reserve(self, case: Case) -> Outcome:
        """A reservation, as a settlement node judges it before it looks at the consumer."""
        asked = self.decode(bytes.fromhex(case["reserve"]))
        caller = bytes.fromhex(case["caller"])
        code = self.unauthorised(asked, bytes.fromhex(case["network"]), caller)
        if code is not None:
            return reject(code=code)
        offer, opened = self.inside(asked[0]), self.inside(asked[1])
        code = self.refusal(
            Check("SET-004", caller == opened[2], "NOT_ALLOWED"),
            Check("SET-004", case["now"] < offer[10] + _SKEW, "QUOTE_EXPIRED"),
        )
        return accept(ceiling=opened[7]) if code is None else reject(code=code)

    def unauthorised(self, shown: Item, network: bytes, caller: bytes) -> str | None:
        """Points 1 to 4: the code of the first that fails."""
        (quote, quote_signature), (body, signature) = shown[0], shown[1]
        try:
            offer, opened = self.decode(quote), self.decode(body)
        except NotDeterministicError:
            return "BAD_OPEN"
        if self.broken("quote-body", offer) is not None or self.broken("open-body", opened) is not None:
            return "BAD_OPEN"
        signed = self.is_signed_by(opened[1], "mycellm/open/v1", body, signature)
        offered = offer[0] == opened[2] and self.is_signed_by(opened[2], "mycellm/quote/v1", quote, quote_signature)
        fits = opened[0] == offer[1] and opened[7] <= _MOST * offer[7]
        return self.refusal(
            Check("SET-003", opened[0] == network, "NOT_MEMBER"),
            Check("SET-003", self.is_party(caller, opened), "NOT_ALLOWED"),
            Check("SET-003", signed and offered, "BAD_OPEN"),
            Check("SET-003", opened[5] == self.name("mycellm/quote/v1", quote), "UNKNOWN_QUOTE"),
            Check("SET-003", fits, "BAD_OPEN"),
        )

    def is_party(self, caller: bytes, opened: Item) -> bool:
        """Whether the open is any business of the caller's."""
        return caller in (opened[1], opened[2])

    def unpaid(self, claim: Item) -> str | None:
        """Point 5."""
        offer, opened = self.inside(claim[0]), self.inside(claim[1])
        within = claim[2] <= self.most_ticks(offer, opened[7])
        genuine = within and self.leads_to(claim[3], claim[2], opened[8])
        return self.refusal(Check("SET-005", genuine, "BAD_TICK"))

    def not_agreed(self, claim: Item) -> str | None:
        """Points 6 and 7."""
        if 4 not in claim:
            return self.refusal(Check("SET-006", 5 not in claim, "BAD_CLOSE"))
        opened = self.inside(claim[1])
        body, signature = claim[4]
        try:
            close = self.decode(body)
        except NotDeterministicError:
            return "BAD_CLOSE"
        if self.broken("close-body", close) is not None:
            return "BAD_CLOSE"
        agreed = 5 not in claim or self.is_countersigned(body, claim[5], opened[1])
        return self.refusal(
            Check("SET-006", self.is_signed_by(opened[2], "mycellm/close/v1", body, signature), "BAD_CLOSE"),
            Check("SET-006", self.is_bill(close, claim), "BAD_CLOSE"),
            Check("SET-006", agreed, "BAD_CLOSE"),
        )

    def is_bill(self, close: Item, claim: Item) -> bool:
        """Whether a close is of the open of its claim, and its total follows."""
        offer, opened = self.inside(claim[0]), self.inside(claim[1])
        named = (close[0], close[1], close[3]) == (self.name("mycellm/open/v1", claim[1][0]), opened[6], offer[3])
        owed = self.owed(offer, close[4], close[5])
        part = close[7] == CANCELLED and close[6] < owed and close[6] % offer[7] == 0
        return bool(named and close[6] <= opened[7] and (close[6] == owed or part))

    def inside(self, signed: Item) -> Item:
        """The body of a signed object whose shape was looked at."""
        return self.decode(signed[0])
