"""What a member knows of a network, and how it learns more: SPEC.md section "Networks".

A `Standing` is the descriptor and the roll that count. It is a value: learning gives another one, in which neither
ever is an older one than before. Whoever shows them, both are verified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .limits import ROLL_LIFETIME
from .networks import Descriptor, newer_descriptor, read_descriptor
from .roll import Roll, newer_roll, read_roll
from .signed import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A network as a member knows it: what counts, how it was signed, and when the settlement node last gave it out.

    ``signed_roll`` is None where there is none that the present authority signed: nothing to show to others, though
    ``roll`` still says who is out. ``renewed`` is in seconds since 1970, None for never.
    """

    descriptor: Descriptor
    signed_descriptor: Signed
    roll: Roll | None = None
    signed_roll: Signed | None = None
    renewed: float | None = None

    @classmethod
    def first(cls, network: bytes, descriptor: Signed, roll: Signed | None, now: float) -> Standing:
        """What is shown of a network of which only the id was known. Raises `RemoteProtocolError` (NOT_MEMBER)."""
        body = read_descriptor(descriptor, network=network, now=now)
        return cls(
            descriptor=body,
            signed_descriptor=descriptor,
            roll=None if roll is None else read_roll(roll, descriptor=body, now=now),
            signed_roll=roll,
        )

    @property
    def network(self) -> bytes:
        """The network's id (32 bytes)."""
        return self.descriptor.network

    def learn(self, *, descriptor: Signed | None = None, roll: Signed | None = None, now: float) -> Standing:
        """What counts once these were shown too; the same standing where they are no newer (NET-016, NET-027).

        Raises `RemoteProtocolError` (NOT_MEMBER) where one of them is not good, or contradicts what was known: then
        nothing of it is taken.
        """
        learned = self
        if descriptor is not None:
            offered = read_descriptor(descriptor, network=self.network, now=now)
            if newer_descriptor(self.descriptor, offered) is offered and offered != self.descriptor:
                kept = self.signed_roll if offered.authority == self.descriptor.authority else None
                learned = replace(self, descriptor=offered, signed_descriptor=descriptor, signed_roll=kept)
        if roll is not None:
            body = read_roll(roll, descriptor=learned.descriptor, now=now)
            if newer_roll(self.roll, body) is body and body != self.roll:
                learned = replace(learned, roll=body, signed_roll=roll)
        return learned

    def renew(self, now: float) -> Standing:
        """The same, given out by the settlement node just ``now`` (NET-045)."""
        return replace(self, renewed=now)

    def fresh(self, now: float) -> bool:
        """Whether it may let anybody in: always, or in a settled network for `ROLL_LIFETIME` (NET-046, NET-047)."""
        return not self.descriptor.settled or (self.renewed is not None and now < self.renewed + ROLL_LIFETIME)
