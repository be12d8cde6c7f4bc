"""What a settlement node makes of claims, reservations and reports that something is wrong with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from mycellm_proto import codec
from mycellm_proto.calls import Procedure
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import DIRECT_NETWORK, Close, Open, Quote, countersign, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.receipt import verify_double_open
from mycellm_proto.settlement import Claim, Outcome, Report, Reserve, Reserved, Settle, Settled, Settlement
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain
from reference_node.ledger import Balance
from reference_node.node import clock
from reference_node.node.peer_link import PeerLink
from reference_node.procedures import CallError

from .conftest import StartNode
from .lab import QUOTA, Lab, make_lab
from .scripted import Scripted
from .watched import WatchedNode

CEILING = 1000
TICK = 10
OTHER = SigningKey(b"\x21" * 32)


class Held(NamedTuple):
    """What a provider holds of an open."""

    quote: Signed
    opened: Signed
    chain: Chain

    def claim(self, k: int) -> Claim:
        return Claim(quote=self.quote, open=self.opened, k=k, link=self.chain.link(k))


class Bench:
    """Two parties who sign whatever a test wants, and the provider's connection to the settlement node."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.provider, self.consumer = lab.provider_id.key, lab.consumer_id.key
        self.link = to_authority(lab, lab.provider)

    def held(
        self, sequence: int = 1, *, ceiling: int = CEILING, network: bytes | None = None, **changes: object
    ) -> Held:
        """An open of the consumer to the provider; ``changes`` are of the quote."""
        network = self.lab.network if network is None else network
        quote = Quote(
            provider=self.provider.public,
            network=network,
            model="scripted",
            model_digest=bytes(32),
            context_length=4096,
            price_in=1,
            price_out=4,
            tick_value=TICK,
            prepaid_ticks=4,
            window=8,
            expires=int(clock.now()) + 3600,
        )
        signed = sign(self.provider, replace(quote, **changes))  # type: ignore[arg-type]
        chain = Chain(sequence.to_bytes(32, "big"), quote.most_ticks(ceiling))
        opened = Open(
            network=network,
            consumer=self.consumer.public,
            provider=self.provider.public,
            sequence=sequence,
            previous=None,
            quote=signed.digest(Context.QUOTE),
            request=bytes(32),
            ceiling=ceiling,
            anchor=chain.anchor,
        )
        return Held(signed, sign(self.consumer, opened), chain)

    def receipt(self, held: Held, output_tokens: int, key: SigningKey | None = None) -> Claim:
        close = Close(
            open=held.opened.digest(Context.OPEN),
            request=bytes(32),
            response=bytes(32),
            model_digest=bytes(32),
            input_tokens=0,
            output_tokens=output_tokens,
            total=4 * output_tokens,
            finish=FinishReason.STOP,
        )
        signed = sign(self.provider, close)
        return replace(held.claim(4), close=signed, countersignature=countersign(key or self.consumer, signed))

    async def reserve(self, held: Held, link: PeerLink | None = None, seconds: int = 60) -> Reserved:
        membership = self.lab.consumer.networks.find("lab").proof.membership
        asked = Reserve(quote=held.quote, open=held.opened, membership=membership, seconds=seconds)
        return Reserved.decode(await (link or self.link).call(Procedure.RESERVE, asked.encode()))

    async def settle(self, *claims: Claim, link: PeerLink | None = None) -> list[tuple[Outcome, int, int | None]]:
        answer = await (link or self.link).call(Procedure.SETTLE, Settle(claims=claims).encode())
        outcomes: tuple[Settlement, ...] = Settled.decode(answer).outcomes
        return [(outcome.outcome, outcome.amount, outcome.code) for outcome in outcomes]

    async def stands(self, available: int, reserved: int, earned: int = 0) -> None:
        """What the ledger says, and that it adds up."""
        assert await self.lab.balance(self.lab.consumer_id) == Balance(available + reserved, reserved)
        assert (await self.lab.balance(self.lab.provider_id))[0::2] == (0, earned)
        await self.lab.conserved()


def to_authority(lab: Lab, node: WatchedNode) -> PeerLink:
    return next(
        link for link in node._peers.links if link.session is not None and link.session.peer == lab.authority_id.node_id
    )


@pytest.fixture
async def bench(start_node: StartNode) -> Bench:
    lab = await make_lab(start_node, Scripted())
    await lab.consumer.settlers.balance(lab.network)
    await lab.provider.settlers.balance(lab.network)  # both have shown themselves
    return Bench(lab)


async def refused(code: ErrorCode, call: Callable[[], object]) -> CallError:
    with pytest.raises(CallError) as error:
        await call()  # type: ignore[misc]
    assert (error.value.code, error.value.by_peer) == (code, True)
    return error.value


async def test_whatever_is_shown_again_late_or_out_of_order_is_one_debt(bench: Bench) -> None:
    held = bench.held()
    first = await bench.reserve(held)
    assert await bench.reserve(held, seconds=7200) == first
    await bench.stands(QUOTA - CEILING, CEILING)
    booked, repeated = Outcome.BOOKED, Outcome.REPEATED
    assert await bench.settle(*(held.claim(k) for k in (0, 2, 5, 3, 5))) == [
        (repeated, 0, None),
        (booked, 20, None),
        (booked, 50, None),
        (repeated, 50, None),
        (repeated, 50, None),
    ]
    await bench.stands(QUOTA - CEILING, CEILING - 50, 50)
    receipt = bench.receipt(held, 9)
    consumers = to_authority(bench.lab, bench.lab.consumer)
    assert await bench.settle(receipt, link=consumers) == [(booked, 36, None)]
    assert await bench.settle(receipt, held.claim(80)) == [(repeated, 36, None)] * 2
    assert await bench.lab.balance(bench.lab.consumer_id) == Balance(QUOTA - 36, 0)
    assert await bench.lab.balance(bench.lab.provider_id) == Balance(36, 0)
    await bench.lab.conserved()
    await refused(ErrorCode.SEQUENCE_USED, lambda: bench.reserve(held))


BAD: dict[str, tuple[ErrorCode, Callable[[Bench, Held], Claim]]] = {
    "unsigned": (
        ErrorCode.BAD_OPEN,
        lambda _, held: replace(held.claim(1), open=Signed(body=held.opened.body, signature=bytes(64))),
    ),
    "signed by another": (
        ErrorCode.BAD_OPEN,
        lambda bench, held: replace(
            held.claim(1), open=replace(held.opened, signature=sign(OTHER, _body(held.opened)).signature)
        ),
    ),
    "half-signed": (
        ErrorCode.BAD_CLOSE,
        lambda bench, held: replace(bench.receipt(held, 9), countersignature=bytes(64)),
    ),
    "countersigned by another": (ErrorCode.BAD_CLOSE, lambda bench, held: bench.receipt(held, 9, OTHER)),
    "over the ceiling": (ErrorCode.BAD_CLOSE, lambda bench, held: bench.receipt(held, 251)),
    "more ticks than the ceiling has": (ErrorCode.BAD_TICK, lambda _, held: replace(held.claim(100), k=101)),
    "huge": (ErrorCode.BAD_TICK, lambda _, held: replace(held.claim(4), k=65_536)),
    "a wrong anchor": (ErrorCode.BAD_TICK, lambda _, held: replace(held.claim(4), link=bytes(32))),
    "a tick of another exchange": (
        ErrorCode.BAD_TICK,
        lambda bench, held: replace(held.claim(4), link=bench.held(2).chain.link(4)),
    ),
    "of a foreign network": (
        ErrorCode.NOT_MEMBER,
        lambda bench, _: bench.held(1, network=DIRECT_NETWORK).claim(4),
    ),
    "of another quote": (
        ErrorCode.UNKNOWN_QUOTE,
        lambda bench, held: replace(held.claim(4), quote=bench.held(1, price_out=5).quote),
    ),
    "never reserved": (ErrorCode.NO_RESERVATION, lambda bench, _: bench.held(7).claim(4)),
    "a receipt of what was never reserved": (
        ErrorCode.NO_RESERVATION,
        lambda bench, _: bench.receipt(bench.held(7), 9),
    ),
    "forked": (ErrorCode.SEQUENCE_USED, lambda bench, _: bench.held(1, ceiling=CEILING + 1).claim(4)),
}


def _body(signed: Signed) -> Open:
    from mycellm_proto.economy import open_body

    return open_body(signed)


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_claim_is_refused_beside_a_good_one_and_changes_nothing(bench: Bench, name: str) -> None:
    code, made = BAD[name]
    held = bench.held()
    await bench.reserve(held)
    await bench.settle(held.claim(2))
    bad = made(bench, held)
    assert await bench.settle(bad, held.claim(3), bad) == [
        (Outcome.REFUSED, 0, code),
        (Outcome.BOOKED, 30, None),
        (Outcome.REFUSED, 0, code),
    ]
    await bench.stands(QUOTA - CEILING, CEILING - 30, 30)


async def test_a_bad_reservation_is_refused_and_holds_nothing(bench: Bench) -> None:
    held = bench.held()
    old = bench.held(expires=int(clock.now()) - 3600)
    await refused(ErrorCode.QUOTE_EXPIRED, lambda: bench.reserve(old))
    huge = bench.held(ceiling=QUOTA + 1)
    error = await refused(ErrorCode.INSUFFICIENT_CREDIT, lambda: bench.reserve(huge))
    assert (error.limit, error.actual) == (QUOTA, QUOTA + 1)
    mine = to_authority(bench.lab, bench.lab.consumer)
    await refused(ErrorCode.NOT_ALLOWED, lambda: bench.reserve(held, mine))
    await refused(ErrorCode.NOT_MEMBER, lambda: bench.reserve(bench.held(network=DIRECT_NETWORK)))
    forged = held._replace(opened=Signed(body=held.opened.body, signature=bytes(64)))
    await refused(ErrorCode.BAD_OPEN, lambda: bench.reserve(forged))
    await bench.stands(QUOTA, 0)


async def test_who_has_not_shown_itself_is_told_nothing(bench: Bench, start_node: StartNode) -> None:
    stranger, _ = await start_node("stranger", peers=((bench.lab.authority, bench.lab.authority_id),))
    await stranger.until(lambda: any(link.usable for link in stranger._peers.links))
    link = to_authority(bench.lab, stranger)
    held = bench.held()
    await refused(ErrorCode.NOT_MEMBER, lambda: bench.reserve(held, link))
    await refused(ErrorCode.NOT_MEMBER, lambda: bench.settle(held.claim(1), link=link))
    await bench.stands(QUOTA, 0)


@pytest.mark.parametrize("reserved", [True, False])
async def test_two_opens_under_one_identity_are_kept_for_anybody_to_verify(
    bench: Bench, start_node: StartNode, reserved: bool
) -> None:
    one, two = bench.held(), bench.held(ceiling=CEILING + 1)
    if reserved:
        await bench.reserve(one)
    stranger, _ = await start_node("stranger", peers=((bench.lab.authority, bench.lab.authority_id),))
    await stranger.until(lambda: any(link.usable for link in stranger._peers.links))
    link = to_authority(bench.lab, stranger)
    same = Report(first=one.opened, second=one.opened)
    await refused(ErrorCode.BAD_OPEN, lambda: link.call(Procedure.REPORT, same.encode()))
    for _ in range(2):
        await link.call(Procedure.REPORT, Report(first=one.opened, second=two.opened).encode())
    ledger = await bench.lab.authority._accounting.accounts.ledger()
    [pair] = await ledger.conflicts(bench.lab.network)
    first, second = (Signed.from_value(codec.decode(each.proof)) for each in (pair.first, pair.second))
    assert verify_double_open(first, second) == []
    await refused(ErrorCode.NOT_ALLOWED, lambda: bench.reserve(bench.held(2)))
    held = CEILING if reserved else 0
    await bench.stands(QUOTA - held, held)


async def test_a_fork_at_the_counter_is_evidence_too(bench: Bench) -> None:
    await bench.reserve(bench.held())
    await refused(ErrorCode.SEQUENCE_USED, lambda: bench.reserve(bench.held(ceiling=CEILING + 1)))
    ledger = await bench.lab.authority._accounting.accounts.ledger()
    assert len(await ledger.conflicts(bench.lab.network)) == 1
    await bench.stands(QUOTA - CEILING, CEILING)


async def test_a_revoked_provider_books_nothing(bench: Bench) -> None:
    held = bench.held()
    await bench.reserve(held)
    bench.lab.authority.desk.revoke("lab", bench.lab.provider_id.node_id)
    await refused(ErrorCode.NOT_MEMBER, lambda: bench.settle(held.claim(4)))
    await refused(ErrorCode.NOT_MEMBER, lambda: bench.reserve(bench.held(2)))
    await bench.stands(QUOTA - CEILING, CEILING)
