"""Calls between two nodes on real QUIC: answered, refused, and never left waiting."""

from __future__ import annotations

import asyncio

import pytest

from mycellm_proto import limits
from mycellm_proto.calls import Procedure
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from reference_node.node.peer_link import PeerLink
from reference_node.procedures import CallError, Refusal

from .conftest import StartNode
from .watched import WatchedNode


async def joined(start_node: StartNode) -> tuple[WatchedNode, WatchedNode, PeerLink]:
    callee, who = await start_node("callee")
    caller, _ = await start_node("caller", peers=((callee, who),))
    await caller.until(lambda: any(link.usable for link in caller._peers.links))
    return caller, callee, next(iter(caller._peers.links))


async def test_a_call_is_answered_by_what_serves_it(start_node: StartNode) -> None:
    _, callee, link = await joined(start_node)

    async def doubled(caller: PeerLink, arguments: bytes) -> bytes:
        assert caller.session is not None
        return arguments * 2

    callee.procedures.serve(Procedure.FIND, doubled)
    assert await link.call(Procedure.FIND, b"ab") == b"abab"
    assert sorted(await asyncio.gather(*(link.call(Procedure.FIND, bytes([n])) for n in range(limits.MAX_CALLS)))) == [
        bytes([n, n]) for n in range(limits.MAX_CALLS)
    ]


async def test_what_nobody_serves_is_refused_at_once(start_node: StartNode) -> None:
    provider, _, link = await joined(start_node)
    served = [procedure for procedure in Procedure if provider.procedures.find(procedure)]
    for procedure in {*Procedure, 4711}.difference(served):
        async with asyncio.timeout(5):
            with pytest.raises(CallError) as refused:
                await link.call(procedure, b"")
        assert (refused.value.code, refused.value.by_peer) == (ErrorCode.UNSUPPORTED, True)


@pytest.mark.parametrize(
    ("raised", "code", "numbers"),
    [
        (Refusal(ErrorCode.NOT_ALLOWED), ErrorCode.NOT_ALLOWED, (None, None)),
        (Refusal(ErrorCode.CEILING_TOO_LOW, limit=1, actual=2), ErrorCode.CEILING_TOO_LOW, (1, 2)),
        (
            RemoteProtocolError("no", code=ErrorCode.ENCODING, requirement="CAL-009"),
            ErrorCode.MALFORMED,
            (None, None),
        ),
        (RemoteProtocolError("no", code=ErrorCode.BAD_OPEN, requirement="RCP-010"), ErrorCode.BAD_OPEN, (None, None)),
        (ZeroDivisionError(), ErrorCode.INTERNAL, (None, None)),
    ],
    ids=["refusal", "numbers", "encoding", "protocol", "bug"],
)
async def test_whatever_a_handler_does_its_caller_hears_of_it(
    start_node: StartNode, raised: Exception, code: ErrorCode, numbers: tuple[int | None, int | None]
) -> None:
    _, callee, link = await joined(start_node)

    async def fails(_: PeerLink, __: bytes) -> bytes:
        raise raised

    callee.procedures.serve(Procedure.BALANCE, fails)
    with pytest.raises(CallError) as refused:
        await link.call(Procedure.BALANCE, b"")
    assert (refused.value.code, refused.value.limit, refused.value.actual) == (code, *numbers)
    with pytest.raises(CallError):  # the connection lives on
        await link.call(Procedure.FIND, b"")


async def test_a_call_ends_with_its_connection(start_node: StartNode) -> None:
    _, callee, link = await joined(start_node)
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def waits(_: PeerLink, __: bytes) -> bytes:
        begun.set()
        try:
            await asyncio.Event().wait()
            return b""
        finally:
            stopped.set()

    callee.procedures.serve(Procedure.BALANCE, waits)
    call = asyncio.create_task(link.call(Procedure.BALANCE, b""))
    await begun.wait()
    link.close(ErrorCode.NO_ERROR)
    with pytest.raises(CallError) as lost:
        await call
    assert not lost.value.by_peer
    await stopped.wait()
    with pytest.raises(CallError):
        await link.call(Procedure.BALANCE, b"")
