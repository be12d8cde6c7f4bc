"""The book of others' records: SPEC.md section "Discovery". A record is a lead, and proves nothing.

One page a network; nothing passes from one page to another. What a page holds is bounded in all, by who told it, and in
the direct network by the addresses that it leads to, so that a flood displaces its own kind first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.limits import MAX_RECORDS
from mycellm_proto.records import Source, admissible, newer_record, read_record

from .informer import Informer, prefix

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

    from mycellm_proto.invite import Address
    from mycellm_proto.records import Record
    from mycellm_proto.signed import Signed

MAX_BOOK = 2 * MAX_RECORDS
"""Records of all networks together: about 6 MB."""
MAX_TOLD = 256
"""Records in one network that one informer told."""
MAX_PREFIX = 64
"""Records in the direct network that lead to one prefix of addresses: a campus, and no whole book."""
MAX_FAILURES = 3
"""DSC-011."""


@dataclass(slots=True, kw_only=True)
class Lead:
    """What is known of one node in one network.

    ``first_hand``: its node brought it, or proved its key where it leads. ``failures`` counts dials since it was heard
    of; ``due`` is when it may be dialed again. ``heard`` is when it was told last; both are seconds since 1970.
    """

    record: Record
    signed: Signed
    informer: Informer
    heard: float
    first_hand: bool = False
    reached: bool = False
    failures: int = 0
    due: float = 0.0

    @property
    def node(self) -> bytes:
        """Of whom it is."""
        return self.record.node

    @property
    def network(self) -> bytes:
        """In which network."""
        return self.record.network

    @property
    def gone(self) -> bool:
        """Whether it is only kept so that it is not believed again: its node left, or was not where it should be."""
        return self.failures >= MAX_FAILURES or not self.record.addresses

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where its node may be dialed (DSC-005)."""
        return admissible(self.record.addresses, self.informer.source, self.informer.beside)

    @property
    def rank(self) -> int:
        """What is kept longer when there is no room for all: the higher."""
        return 0 if self.gone else 3 if self.reached else 2 if self.first_hand else 1


class Book:
    """Records of other nodes than ``own``. Times are seconds since 1970."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._pages: dict[bytes, _Page] = {}

    def __len__(self) -> int:
        return sum(len(page.leads) for page in self._pages.values())

    def __iter__(self) -> Iterator[Lead]:
        """Every lead."""
        return iter([lead for page in self._pages.values() for lead in page.leads.values()])

    def of(self, network: bytes) -> list[Lead]:
        """The leads of a network."""
        page = self._pages.get(network)
        return [] if page is None else list(page.leads.values())

    def get(self, network: bytes, node: bytes) -> Lead | None:
        """What is known of a node in a network."""
        page = self._pages.get(network)
        return None if page is None else page.leads.get(node)

    def hear(self, network: bytes, signed: Signed, informer: Informer, now: float) -> Lead | None:
        """Take a record that ``informer`` told for ``network``, if it is new, true, and there is room for it.

        Returns what is held then, or None where it was not taken. Raises `RemoteProtocolError` (MALFORMED) for what no
        honest node tells.
        """
        record = read_record(signed, now=now)
        if record.network != network or record.node == self._own:
            return None
        page = self._pages.setdefault(network, _Page(network))
        held = page.leads.get(record.node)
        if held is not None and (record == held.record or newer_record(held.record, record) is held.record):
            return self._again(held, record, informer, now)
        lead = Lead(record=record, signed=signed, informer=informer, heard=now, first_hand=informer.node == record.node)
        if held is not None:
            lead.reached, lead.due = held.reached and held.record.addresses == record.addresses, held.due
            lead.first_hand = lead.first_hand or lead.reached
            page.remove(held)
        if not self._make_room(page, lead):
            if held is not None:
                page.add(held)
            return None
        page.add(lead)
        return lead

    def restore(self, lead: Lead) -> None:
        """Take what an earlier process knew."""
        page = self._pages.setdefault(lead.network, _Page(lead.network))
        if lead.node != self._own and lead.node not in page.leads and self._make_room(page, lead):
            page.add(lead)

    def found_at(self, lead: Lead) -> None:
        """Its node proved its key, and its membership, at one of its addresses."""
        lead.first_hand = lead.reached = True
        lead.failures = 0

    def not_found(self, lead: Lead, *, again_at: float) -> None:
        """A dial of it failed; the next is not before ``again_at``."""
        lead.failures += 1
        lead.due = again_at

    def disprove(self, lead: Lead) -> None:
        """Another node is where it leads, or its node is no member: it is not believed again in this form."""
        lead.failures = MAX_FAILURES
        lead.first_hand = lead.reached = False

    def give(self, network: bytes, most: int, *, to: bytes, now: float, chance: random.Random) -> list[Signed]:
        """At most ``most`` records for the node ``to``: good ones that are known at first hand (DSC-009, DSC-018).

        Up to a quarter of them say that a node has left, so that who still believes it is there hears of it.
        """
        known = [
            lead
            for lead in self.of(network)
            if lead.first_hand and lead.failures < MAX_FAILURES and lead.node != to and now < lead.record.expires
        ]
        left = [lead.signed for lead in known if not lead.record.addresses]
        good = [lead.signed for lead in known if lead.record.addresses]
        chosen = chance.sample(left, min(most // 4, len(left)))
        return chosen + chance.sample(good, min(most - len(chosen), len(good)))

    def told_by(self, network: bytes, informer: Informer) -> list[Lead]:
        """What ``informer`` told of others, and nobody has confirmed."""
        account = informer.account(network)
        return [lead for lead in self.of(network) if not lead.first_hand and lead.informer.account(network) == account]

    def drop(self, lead: Lead) -> None:
        """Forget a lead."""
        page = self._pages.get(lead.network)
        if page is not None and page.leads.get(lead.node) is lead:
            page.remove(lead)

    def age(self, now: float) -> None:
        """Forget what has expired (DSC-010)."""
        for page in self._pages.values():
            for lead in list(page.leads.values()):
                if now >= lead.record.expires:
                    page.remove(lead)

    def forget(self, network: bytes) -> None:
        """Forget a network."""
        self._pages.pop(network, None)

    # Inside

    def _again(self, held: Lead, record: Record, informer: Informer, now: float) -> Lead | None:
        """What is held was told again, or something older than it."""
        if record != held.record:
            return None
        if informer.node == record.node:  # heard of anew, by itself
            held.first_hand, held.failures = True, 0
        if held.informer.beside is None and informer.beside is not None and held.informer.source is Source.PEER:
            page = self._pages[record.network]
            page.remove(held)
            held.informer = informer
            page.add(held)
        held.heard = now
        return held

    def _make_room(self, page: _Page, lead: Lead) -> bool:
        """Whether ``lead`` may be added; what is worth less makes room for it."""
        if not page.takes(lead):
            return False
        # DSC-012
        return (len(page.leads) < MAX_RECORDS or self._displace([page], lead)) and (
            len(self) < MAX_BOOK or self._displace(self._pages.values(), lead)
        )

    def _displace(self, pages: Iterable[_Page], lead: Lead) -> bool:
        """Forget what is worth least on these pages, unless that is more than ``lead``."""
        least = min((each for page in pages for each in page.leads.values()), key=lambda each: (each.rank, each.heard))
        if least.rank > lead.rank:
            return False
        self.drop(least)
        return True


class _Page:
    """The leads of one network, with what they are counted by."""

    def __init__(self, network: bytes) -> None:
        self.leads: dict[bytes, Lead] = {}
        self._network = network
        self._told: Counter[bytes] = Counter()
        self._prefixes: Counter[bytes] = Counter()

    def add(self, lead: Lead) -> None:
        self.leads[lead.record.node] = lead
        self._count(lead, 1)

    def remove(self, lead: Lead) -> None:
        del self.leads[lead.record.node]
        self._count(lead, -1)

    def takes(self, lead: Lead) -> bool:
        """Whether who told it, and where it leads, has room left."""
        if self._told[lead.informer.account(self._network)] >= MAX_TOLD:
            return False
        if self._network != DIRECT_NETWORK:
            return True
        return all(self._prefixes[each] < MAX_PREFIX for each in _prefixes(lead))

    def _count(self, lead: Lead, one: int) -> None:
        counts = [(self._told, lead.informer.account(self._network))]
        counts += [(self._prefixes, each) for each in _prefixes(lead)]
        for counter, key in counts:
            counter[key] += one
            if counter[key] <= 0:
                del counter[key]


def _prefixes(lead: Lead) -> set[bytes]:
    return {prefix(ip) for ip, _ in lead.record.addresses}
