"""What a peer may leave behind a gap."""

from __future__ import annotations

from contextlib import suppress

import pytest
from aioquic.quic.packet import QuicStreamFrame
from aioquic.quic.stream import QuicStreamSender
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.errors import ErrorCode
from reference_node.quic import limits
from reference_node.quic.reassembly import Reassembly, ReassemblyError

from .peers import two_hosts


def responder() -> Reassembly:
    return Reassembly(is_initiator=False)


def test_data_in_order_is_never_held() -> None:
    held = responder()
    for offset in range(0, 1 << 22, 1 << 10):
        held.arrived(0, offset, 1 << 10)
        held.delivered(0, 1 << 10)
    held.finished(0)
    assert len(held) == 0


def test_one_byte_far_ahead_is_as_bad_as_the_gap_before_it() -> None:
    held = responder()
    held.arrived(0, limits.HELD_UNAUTHENTICATED - 1, 1)
    with pytest.raises(ReassemblyError):
        held.arrived(4, 1, 1)


def test_many_small_pieces_are_bounded_too() -> None:
    held = responder()
    for piece in range(limits.PIECES_UNAUTHENTICATED):
        held.arrived(0, 1 + 2 * piece, 1)
    with pytest.raises(ReassemblyError):
        held.arrived(4, 2, 1)


def test_a_filled_gap_frees_its_room() -> None:
    held = responder()
    for start in range(0, 1 << 20, 1 << 15):
        held.arrived(0, start + 100, (1 << 15) - 100)
        held.arrived(0, start, 100)
        held.delivered(0, 1 << 15)


def test_an_ended_stream_frees_its_room_and_late_frames_take_none() -> None:
    held = responder()
    for stream_id in range(0, 400, 4):
        held.arrived(stream_id, 60_000, 1)
        held.finished(stream_id)
        held.arrived(stream_id, 60_000, 1)
    assert len(held) == 0


def test_an_authenticated_peer_may_have_a_long_path() -> None:
    held = responder()
    held.authenticated()
    held.arrived(0, limits.HELD_AUTHENTICATED - 1, 1)
    with pytest.raises(ReassemblyError):
        held.arrived(0, limits.HELD_AUTHENTICATED, 1)


def test_a_stream_id_opens_the_lower_ones_and_no_more_than_quic_allows() -> None:
    held = responder()
    held.arrived(8, 0, 1)
    assert len(held) == 3
    held.arrived(8 + 4 * limits.MAX_STREAMS + 4, 0, 1)
    held.arrived(1, 0, 1)
    assert len(held) == 3
    held.opened(1)
    held.arrived(1, 0, 1)
    assert len(held) == 4


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=60))
def test_the_count_is_never_below_what_a_buffer_would_hold(frames: list[tuple[int, int]]) -> None:
    held, arrived, delivered = responder(), set[int](), 0
    for offset, size in frames:
        with suppress(ReassemblyError):
            held.arrived(0, offset, size)
        arrived |= set(range(offset, offset + size))
        ready = delivered
        while ready in arrived:
            ready += 1
        if ready > delivered:
            held.delivered(0, ready - delivered)
        delivered = ready
        buffered = max(arrived, default=-1) + 1 - delivered
        assert held._bytes == max(0, buffered)
        assert (held._pieces > 0) == (buffered > 0)


async def test_a_peer_that_leaves_a_gap_loses_its_link_before_it_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve such bytes made aioquic alone allocate 3 GB."""
    get_frame = QuicStreamSender.get_frame
    shift = 0

    def shifted(self: QuicStreamSender, max_size: int, max_offset: int | None = None) -> QuicStreamFrame | None:
        frame = get_frame(self, max_size, max_offset)
        if frame is not None and frame.data == b"far":
            frame.offset += shift
        return frame

    monkeypatch.setattr(QuicStreamSender, "get_frame", shifted)
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        honest, also_answering = await here.link_to(there)
        assert dialled.link is not None
        assert honest.link is not None
        dialled.link.write(0, b"far", False)
        await answering.until(lambda: answering.has(0, b"far"))
        shift = limits.HELD_UNAUTHENTICATED
        dialled.link.write(4, b"far", False)
        assert await answering.closed() == (ErrorCode.FLOW_CONTROL, False)
        assert await dialled.closed() == (ErrorCode.FLOW_CONTROL, True)
        honest.link.write(0, b"still here", True)
        await also_answering.until(lambda: also_answering.has(0, b"still here"))
