"""What the connections of one honest node share: its key, what it offers, what it has recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from conformance import signing
from conformance.answers import CAPABILITIES
from conformance.dcbor import Item
from conformance.entropy import Entropy
from conformance.members import PROVIDER, Member, Proof, Signed
from conformance.signing import Key

from .authority import Authority
from .discovery import Book
from .ledger import Draw, Identity, Kept, Store
from .model import Model
from .networks import Reads, held, learnt
from .port import now
from .procedures import PROCEDURES
from .rules import RefuseError, Rules
from .settlement import Settlement

if TYPE_CHECKING:
    from .connection import Connection
    from .initiator import Initiator

EPOCH = 1_790_000_000
"""Seconds since 1970 at which virtual time begins."""
CALLS = 2
ALPN = "mycellm/1"


Procedure: TypeAlias = Callable[["Connection", bytes], dict[int, Item]]
"""What a node does for a call: the connection that it came on, and its arguments; the result. Raises `RefuseError`."""


class Node:
    """An honest node. Mutants override its parts."""

    allowance = 100_000_000
    prices = (1, 4)
    tick_value = 8
    prepaid_ticks = 1
    window = 2
    lifetime = 60
    """Seconds for which a quote is good."""
    version_range = (1, 1)
    capabilities = (*sorted((*CAPABILITIES.values(), CALLS)),)
    applies: frozenset[int] = frozenset((18, 20, 22, 24, 26, 30))
    """Keys of contents beyond the common ones that its model cares for."""
    procedures: Mapping[int, Procedure] = PROCEDURES
    """What it answers to calls; everything else it does not serve."""
    settles: type[Settlement] = Settlement
    hears: type[Book] = Book
    serves = True
    distrusts_certificates = False
    """Whether it looks at what a certificate says (TRN-008)."""
    max_spend = 100_000_000
    """Micro-credits that one request of this node's user may cost."""

    def __init__(self, entropy: Entropy, *, rules: Rules | None = None, model: Model | None = None) -> None:
        self.entropy = entropy
        self.rules = rules or Rules()
        self.model = model or Model()
        self.key = Key(entropy.take(32))
        self.store = Store()
        self.disk = Store()
        """What of the store would outlive a crash."""
        self.allow: frozenset[bytes] | None = None
        """Whom it serves; None for anybody."""
        self.forbidden: set[bytes] = set()
        self.skew = 0
        """Seconds that its clock was put forward."""
        self.reads = Reads(self.rules)
        self.settlement = self.settles(self)
        self.book = self.hears(self)
        self.dialed: Callable[[], list[Initiator]] = list
        """The connections that it has dialed."""
        self.reach: Callable[[str, bytes], None] | None = None
        """Dials an address, where it may."""
        self.authorities: dict[bytes, Authority] = {}
        """The networks whose authority this node is, with their keys, which outlive a crash."""

    def new_key(self) -> None:
        """Become another node."""
        self.key = Key(self.entropy.take(32))

    def refuses(self, alpn: str) -> bool:
        """Whether TLS refuses the initiator's protocol (TRN-001)."""
        return alpn != ALPN

    def transport(self, alpn: str) -> dict[str, Any]:
        """What QUIC and TLS show of this node."""
        return {
            "alpn": alpn,
            "initial_max_streams_bidi": 512,
            "initial_max_streams_uni": 3,
            "max_idle_timeout": 60_000,
            "certificate": "EC secp256r1",
        }

    def client_hello(self, *, resumes: bool) -> dict[str, Any]:
        """What TLS shows of this node where it dials; ``resumes``: it was given a ticket before."""
        return {"server_name": False, "pre_shared_key": False, "early_data": False}

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """Do something in a while."""
        asyncio.get_running_loop().call_later(seconds, then)

    def clock(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self.skew + now()

    def quotes(self, consumer: bytes) -> list[list[bytes]]:
        """Signed quotes for ``consumer``: of everything that is served to it."""
        return [self.key.signed(signing.QUOTE, self.quote())] if self.offers(consumer) else []

    def offers(self, consumer: bytes) -> bool:
        """Whether anything is offered to ``consumer``."""
        return self.serves and (self.permits(consumer) or self.rules.skips("CTL-010"))

    def network_quotes(self, consumer: bytes, networks: Iterable[bytes]) -> list[list[bytes]]:
        """The same in the networks in which the consumer may ask, where this node may answer (NET-049)."""
        provided = [each for each in networks if self.plays(each, PROVIDER) or self.rules.skips("NET-049")]
        return [
            self.key.signed(signing.QUOTE, self.quote() | {1: each}) for each in provided if self.offers(consumer)
        ]  # fmt: skip

    def permits(self, consumer: bytes) -> bool:
        """Whether ``consumer`` is served at all."""
        return (self.allow is None or consumer in self.allow) and consumer not in self.forbidden

    def quote(self) -> dict[int, Item]:
        """The body of the one quote."""
        return {
            0: self.key.public,
            1: signing.DIRECT,
            2: self.model.name,
            3: self.model.digest,
            4: self.model.context,
            5: self.prices[0],
            6: self.prices[1],
            7: self.tick_value,
            8: self.prepaid_ticks,
            9: self.window,
            10: int(self.clock()) + self.lifetime,
        }

    def record(self, opened: Mapping[int, Item], name: bytes) -> None:
        """Keep an open, before ACCEPT. Raises `RefuseError`."""
        known = self.store.opens.setdefault((opened[0], opened[1]), {})
        self.rules.forbid("RCP-040", opened[3] in known, RefuseError("SEQUENCE_USED"))
        last = known.get(opened[3] - 1)
        self.rules.forbid("RCP-041", last is not None and last != opened[4], RefuseError("BAD_OPEN"))
        credit, ceiling = self.credit(opened[0], opened[1]), opened[7]
        available = credit + max(0, self.allowance - self.used())
        hopeless = ceiling > credit + self.allowance
        self.rules.forbid("NET-005", hopeless, RefuseError("INSUFFICIENT_CREDIT", limit=available, actual=ceiling))
        self.rules.forbid(
            "NET-003",
            ceiling > available and not hopeless,
            RefuseError("ALLOWANCE_EXHAUSTED", limit=available, actual=ceiling),
        )
        if not self.rules.skips("RCP-039"):
            known[opened[3]] = name
        covered = min(ceiling, credit)
        self.store.draws[name] = Draw(network=opened[0], consumer=opened[1], covered=covered, drawn=covered)
        self.store.uses[name] = (self.clock(), ceiling - covered)
        if not self.rules.skips("RCP-055"):
            self.save()

    def used(self) -> int:
        """What of the allowance is in use, whoever asked (NET-004)."""
        return self.store.used(self.clock())

    def credit(self, network: bytes, consumer: bytes) -> int:
        """What ``consumer`` has earned here as a provider, and not spent yet (NET-006)."""
        return 0 if self.rules.skips("NET-006") else self.store.credit(network, consumer)

    def settled(self, name: bytes, owed: int) -> None:
        """An exchange is over: what was reserved becomes what is owed, which the consumer's credit pays first."""
        at, _ = self.store.uses[name]
        draw = self.store.draws[name]
        drawn = min(owed, draw.covered)
        self.store.draws[name] = replace(draw, drawn=drawn)
        self.store.uses[name] = (at, owed - drawn)
        self.save()

    # Networks

    def join(self, descriptor: Signed, proof: Proof, roll: Signed | None) -> bytes:
        """Be a member; the network's id."""
        found = held(descriptor, proof, roll)
        self.store.networks[found.standing.network] = found
        self.save()
        return found.standing.network

    def learn(self, network: bytes, *, descriptor: Signed | None = None, roll: Signed | None = None) -> None:
        """Take what somebody has shown of a network of this node's, where it counts."""
        known = self.store.networks[network]
        self.store.networks[network] = learnt(known, self.reads, self.clock(), descriptor, roll)
        if not self.rules.skips("NET-044"):
            self.save()

    def verified(self, network: bytes, proof: Proof, key: bytes) -> Member | None:
        """Whom a proof makes the node with this key, by what is known now."""
        known = self.store.networks.get(network)
        return None if known is None else known.standing.member(self.reads, proof, key, self.clock())

    def own(self, network: bytes) -> Member | None:
        """This node as a member."""
        known = self.store.networks.get(network)
        return None if known is None else self.verified(network, known.proof, self.key.public)

    def plays(self, network: bytes, role: int, digest: bytes | None = None) -> bool:
        """Whether this node may ask or answer for a model, its own where none is named."""
        own = self.own(network)
        digest = self.model.digest if digest is None else digest
        return own is not None and bool(own.roles & role) and self.store.networks[network].standing.allows(digest)

    # The ledger

    def save(self) -> None:
        """What the store holds is on the disk from here on."""
        self.disk = deepcopy(self.store)

    def crash(self) -> None:
        """Only what is on the disk is left."""
        self.store = deepcopy(self.disk)

    def take_number(self, network: bytes, provider: bytes) -> tuple[int, bytes | None]:
        """A sequence number for an open to ``provider``, on the disk (RCP-003), and the open before it (RCP-042)."""
        debt = network, provider
        number = self.store.sequences[debt] = self.store.sequences.get(debt, 0) + 1
        if not self.rules.skips("RCP-003"):
            self.save()
        return number, self.store.newest.get(debt)

    def signed_open(self, opened: Mapping[int, Item], name: bytes) -> None:
        """The open that carries the last number."""
        self.store.newest[opened[0], opened[2]] = name
        if not self.rules.skips("RCP-003"):
            self.save()

    def keep(self, role: str, opened: Mapping[int, Item], kept: Kept) -> None:
        """How an exchange ended. What is agreed stays."""
        identity = Identity(role, opened[0], opened[1], opened[2], opened[3])
        before = self.store.kept.get(identity)
        if before is None or before.receipt is None:
            self.store.kept[identity] = kept
        self.save()
