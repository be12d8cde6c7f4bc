"""Members, opens and moments for tests of the ledger."""

from __future__ import annotations

from typing import Any

from reference_node.ledger import Ledger, Opened
from reference_node.ledger.queries import fork_evidence, holders
from reference_node.store import Identity

from ..proto.pair import NOW, seed

NETWORK, OTHER = seed("network"), seed("another network")
STUDENT, LAB, IDLE = seed("student"), seed("lab"), seed("idle")
"""Members: they hold the accounts, and each has a node whose key is another one."""
NODE_OF = {STUDENT: seed("student's node"), LAB: seed("lab's node"), IDLE: seed("idle's node")}
EXPIRES = int(NOW) + 600
QUOTA = 1000


def opened(sequence: int = 1, fork: str = "", network: bytes = NETWORK, consumer: bytes = STUDENT) -> Opened:
    """An open of a member at the lab; another ``fork`` is another open under the same identity."""
    identity = Identity(network, NODE_OF[consumer], NODE_OF[LAB], sequence)
    name = f"open {sequence}{fork}"
    return Opened(identity=identity, open_hash=seed(name), proof=name.encode())


async def granted(ledger: Ledger, amount: int = QUOTA, member: bytes = STUDENT, network: bytes = NETWORK) -> None:
    """Give a member credit."""
    await ledger.grant(network, member, amount, serial(member))


def serial(member: bytes) -> bytes:
    return member[:16]


async def reserved(
    ledger: Ledger, ceiling: int = 400, sequence: int = 1, *, member: bytes = STUDENT, expires: int = EXPIRES
) -> Opened:
    """An open with a reservation."""
    made = opened(sequence, consumer=member)
    await ledger.reserve(made, member=member, provider_member=LAB, ceiling=ceiling, expires=expires)
    return made


def snapshot(ledger: Ledger) -> Any:
    """Every account, event and open: what no refusal may change. Forks are evidence, and apart."""
    from sqlalchemy import select

    from reference_node.ledger.schema import events, grants, settlements

    with ledger._reader.connect() as connection:
        tables = [
            connection.execute(select(each).order_by(*each.primary_key)).all() for each in (events, grants, settlements)
        ]
    return holders(ledger._reader), tables


def forks(ledger: Ledger) -> int:
    return len(fork_evidence(ledger._reader))


async def sound(ledger: Ledger) -> None:
    """Assert that the audit finds nothing."""
    audit = await ledger.check()
    assert audit.sound, audit
