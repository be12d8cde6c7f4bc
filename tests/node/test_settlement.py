"""Settlement between real nodes: what moves when, and who loses what when somebody vanishes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole
from reference_node.generation import GenerationError
from reference_node.ledger import Balance
from reference_node.networks import NetworkError, terms
from reference_node.node import clock
from reference_node.settlement import accounts, queue, settlers
from reference_node.store import BOOKED, ReceiptState

from .conftest import StartNode
from .lab import BILL, PREPAID, QUOTA, Lab, eventually, join, judged, make_lab, settled, stored
from .scripted import Scripted
from .test_remote import ask, collect


@pytest.fixture
async def lab(start_node: StartNode) -> Lab:
    return await make_lab(start_node, Scripted())


async def test_an_answer_moves_credit_from_the_consumer_to_the_provider(lab: Lab) -> None:
    await collect(await lab.model(), ask())
    await settled(lab, QUOTA - BILL)
    assert await lab.balance(lab.consumer_id) == Balance(QUOTA - BILL, 0)
    assert await lab.balance(lab.provider_id) == Balance(BILL, 0)
    await lab.conserved()
    await judged(lab, BOOKED)
    assert [each.booked for each in stored(lab, "provider")] == [BILL]


async def test_an_exhausted_quota_refuses_with_what_is_needed_and_what_there_is(start_node: StartNode) -> None:
    """The ceiling shrinks with what is available, until that does not pay for the prepaid ticks."""
    lab = await make_lab(start_node, Scripted(), quota=PREPAID + 2 * BILL)
    model = await lab.model()
    for left in (PREPAID + BILL, PREPAID, PREPAID - BILL):
        await collect(model, ask())
        await settled(lab, left)
    with pytest.raises(GenerationError) as refused:
        await collect(model, ask())
    assert (refused.value.code, refused.value.limit) == (ErrorCode.INSUFFICIENT_CREDIT, PREPAID - BILL)
    assert (refused.value.actual or 0) > PREPAID
    assert len(lab.engine.requests) == 3
    assert await lab.balance(lab.consumer_id) == Balance(PREPAID - BILL, 0)
    assert await lab.balance(lab.provider_id) == Balance(3 * BILL, 0)
    await lab.conserved()


async def test_a_refused_request_holds_nothing_of_its_consumer(lab: Lab) -> None:
    """What was reserved for it is given back at once, not at the end of a grace."""
    lab.engine.error = GenerationError(ErrorCode.BUSY, retry_after=1)
    with pytest.raises(GenerationError) as refused:
        await collect(await lab.model(), ask())
    assert refused.value.code is ErrorCode.BUSY
    await judged(lab, BOOKED)
    await settled(lab, QUOTA)
    await lab.conserved()


async def test_a_settlement_node_that_provides_settles_with_itself(start_node: StartNode) -> None:
    lab = await make_lab(start_node, Scripted())
    student, who = await start_node("student", max_spend="1000000")
    lab.authority.local.serve(Scripted(model="own"))
    await join(lab.authority, student, MemberRole.CONSUMER, QUOTA)
    await collect(await student.found("own@lab"), ask(model="own"))

    async def paid() -> bool:
        return await lab.balance(who) == Balance(QUOTA - BILL, 0)

    await eventually(paid)
    assert await lab.balance(lab.authority_id) == Balance(BILL, 0)
    await lab.conserved()


async def test_a_settlement_node_that_is_not_the_authority_is_found_and_asked(start_node: StartNode) -> None:
    keeper, keeper_id = await start_node("keeper")
    authority, _ = await start_node("authority")
    words = {"kind": "org", "admission": None, "settlement": keeper_id.text, "data_handling": "open"}
    authority.desk.create(terms("lab", **words, models=None, node=authority.networks.node))  # type: ignore[arg-type]
    await join(authority, keeper, MemberRole.CONSUMER)
    provider, _ = await start_node("provider", Scripted())
    await join(authority, provider, MemberRole.PROVIDER)
    consumer, who = await start_node("consumer", max_spend="1000000")
    await join(authority, consumer, MemberRole.CONSUMER, QUOTA)
    await collect(await consumer.found("scripted@lab"), ask())
    ledger = await keeper._accounting.accounts.ledger()

    async def paid() -> bool:
        return await ledger.balance(keeper.networks.find("lab").id, who.node_id) == Balance(QUOTA - BILL, 0)

    await eventually(paid)


async def test_a_quota_is_granted_once_and_a_further_one_beside_it(lab: Lab) -> None:
    for _ in range(3):
        assert (await lab.consumer.balances.show("lab"))["balances"][0]["available"] == QUOTA
        held = lab.consumer.networks.find("lab")
        await lab.consumer.desk.renew(held)
    lab.authority.desk.admit("lab", lab.consumer_id.node_id, roles=MemberRole.CONSUMER, quota=500)
    await lab.consumer.desk.renew(lab.consumer.networks.find("lab"))
    await lab.consumer._networking.introductions.introduce(
        next(
            link for link in lab.consumer._peers.links if link.session and link.session.peer == lab.authority_id.node_id
        )
    )
    [row] = (await lab.consumer.balances.show())["balances"]
    assert (row["balance"], row["reserved"]) == (QUOTA + 500, 0)
    await lab.conserved()


async def test_a_revoked_member_is_refused_at_once(lab: Lab) -> None:
    """The provider may not have heard of it: the settlement node has."""
    model = await lab.model()
    lab.provider._networking.introductions._learn = lambda *_: None  # type: ignore[method-assign]
    lab.authority.desk.revoke("lab", lab.consumer_id.node_id)
    with pytest.raises(GenerationError) as refused:
        await collect(model, ask())
    assert refused.value.code is ErrorCode.NOT_MEMBER
    assert lab.engine.requests == []
    with pytest.raises(NetworkError) as out:
        await lab.consumer.balances.show("lab")
    assert out.value.code is ErrorCode.NOT_MEMBER
    assert await lab.balance(lab.consumer_id) == Balance(QUOTA, 0)


@pytest.mark.parametrize("words", [0, 7, 40, 130])
async def test_a_consumer_that_vanishes_costs_the_provider_a_window_at_most(start_node: StartNode, words: int) -> None:
    engine = Scripted(words=("word ",) * 200, pause_at=words)
    lab = await make_lab(start_node, engine)
    model = await lab.model()
    answer = model.generate(ask(max_tokens=200))
    heard = [await anext(answer)] + [await anext(answer) for _ in range(words)]
    assert len(heard) == words + 1
    for link in list(lab.consumer._peers.links):
        link.close(ErrorCode.NO_ERROR)
    with pytest.raises(GenerationError):
        await anext(answer)
    await judged(lab, BOOKED)
    [record] = stored(lab, "provider")
    delivered = 5 + 4 * words
    window = model.quote.window * model.quote.tick_value
    assert record.state is ReceiptState.UNACKNOWLEDGED
    assert record.booked == record.claim >= delivered - window
    await lab.conserved()
    assert await end_of_grace(lab) == 1
    assert await lab.balance(lab.provider_id) == Balance(record.claim, 0)
    assert await lab.balance(lab.consumer_id) == Balance(QUOTA - record.claim, 0)
    await lab.conserved()


@pytest.mark.parametrize("words", [0, 40])
async def test_a_provider_that_vanishes_costs_the_consumer_what_it_released_at_most(
    start_node: StartNode, words: int
) -> None:
    engine = Scripted(words=("word ",) * 200, pause_at=words)
    lab = await make_lab(start_node, engine)
    model = await lab.model()
    answer = model.generate(ask(max_tokens=200))
    for _ in range(words + 1):
        await anext(answer)
    lab.provider._accounting.queue._show_all = _nothing  # type: ignore[method-assign]  # it never claims
    for link in list(lab.provider._peers.links):
        link.close(ErrorCode.NO_ERROR)
    with pytest.raises(GenerationError):
        await anext(answer)
    assert (await lab.balance(lab.consumer_id)).reserved > 0
    assert await end_of_grace(lab) == 1
    assert await lab.balance(lab.consumer_id) == Balance(QUOTA, 0)
    await lab.conserved()


async def test_a_consumer_shows_its_receipt_where_the_provider_does_not(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.provider._accounting.queue._show_all = _nothing  # type: ignore[method-assign]
    monkeypatch.setattr(queue, "QUIET_S", -1.0)
    await collect(await lab.model(), ask())

    async def kept() -> bool:
        return [record.state for record in stored(lab, "consumer")] == [ReceiptState.SETTLED]

    await eventually(kept)
    lab.consumer._accounting.queue.wake()
    await settled(lab, QUOTA - BILL)


async def test_a_settlement_node_that_starts_again_books_what_waited(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlers, "WAIT_S", 0.2)
    engine = Scripted(pause_at=1)
    lab = await make_lab(start_node, engine)
    model = await lab.model()
    answer = model.generate(ask())
    await anext(answer)
    where = str(lab.authority.health()["quic"])
    await lab.authority.aclose()
    engine.gate.set()
    assert [event async for event in answer]  # what was begun is finished
    with pytest.raises(GenerationError) as refused:
        await collect(model, ask())
    assert refused.value.code is ErrorCode.SETTLEMENT_UNAVAILABLE
    assert (refused.value.retry_after or 0) > 0
    assert len(engine.requests) == 1
    lab.authority, _ = await start_node("authority", quic=where)
    await settled(lab, QUOTA - BILL)
    await lab.conserved()


async def test_a_provider_that_starts_again_goes_on_with_its_claims(start_node: StartNode) -> None:
    lab = await make_lab(start_node, Scripted())
    lab.provider._accounting.queue._show_all = _nothing  # type: ignore[method-assign]
    await collect(await lab.model(), ask())

    async def kept() -> bool:
        return [record.state for record in stored(lab, "provider")] == [ReceiptState.SETTLED]

    await eventually(kept)
    await lab.provider.aclose()
    lab.provider, _ = await start_node("provider", Scripted())
    await settled(lab, QUOTA - BILL)


async def test_a_database_that_is_down_refuses_and_loses_nothing(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PATIENCE_S", 0.2)
    monkeypatch.setattr(accounts, "REOPEN_S", 0.0)
    (tmp_path / "mount").write_text("not mounted")
    lab = await make_lab(start_node, Scripted(), ledger=f"sqlite:///{tmp_path}/mount/ledger.db")
    model = await lab.model()
    with pytest.raises(GenerationError) as refused:
        await collect(model, ask())
    assert refused.value.code is ErrorCode.SETTLEMENT_UNAVAILABLE
    assert lab.engine.requests == []
    health = lab.authority.health()["settlement"]
    assert isinstance(health, dict)
    assert health["healthy"] is False
    (tmp_path / "mount").unlink()
    await collect(model, ask())
    await settled(lab, QUOTA - BILL)
    with closing(sqlite3.connect(tmp_path / "mount" / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(GenerationError) as locked:
            await collect(model, ask())
        assert locked.value.code is ErrorCode.SETTLEMENT_UNAVAILABLE
        other.execute("ROLLBACK")
    await collect(model, ask())
    await settled(lab, QUOTA - 2 * BILL)
    await lab.conserved()


async def end_of_grace(lab: Lab) -> int:
    """What the settlement node's sweep ends once the time of every open is over."""
    clock.advance(7200 + 3600)
    return await lab.authority._accounting.accounts.sweep()


async def _nothing(network: bytes) -> None:
    """In place of what shows claims."""
