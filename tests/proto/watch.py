"""What tests look at from outside: how much a connection keeps, and whether a failed one is dead."""

from __future__ import annotations

from collections import deque
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import pytest

from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.frames import LIMITS

from .pair import NOW, Side

_OPAQUE = (type, Enum, FunctionType, MethodType, BuiltinFunctionType, BaseException)


def footprint(root: object) -> int:
    """Bytes and entries that ``root`` keeps, all levels together: what a peer could make grow."""
    total, seen, queue = 0, {id(LIMITS)}, deque([root])
    while queue:
        each: Any = queue.popleft()
        if id(each) in seen or isinstance(each, _OPAQUE):
            continue
        seen.add(id(each))
        if isinstance(each, bytes | bytearray | str):
            total += len(each)
        elif isinstance(each, dict):
            total += 8 * len(each)
            queue += [*each, *each.values()]
        elif isinstance(each, list | tuple | set | frozenset | deque):
            total += 8 * len(each)
            queue += each
        else:
            queue += _attributes(each)
    return total


def _attributes(each: Any) -> list[Any]:
    names = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
    return [getattr(each, name) for name in names if hasattr(each, name)] + list(getattr(each, "__dict__", {}).values())


def assert_dead(side: Side) -> None:
    """Whatever is done to a connection that is over, it says nothing and waits for nothing."""
    side.collect()
    connection, events = side.connection, list(side.events)
    for stream in (0, 1, 2, 3, 4, 6, 1 << 61):
        connection.receive_data(stream, b"\x00\x0a", False, NOW)
        connection.receive_reset(stream, NOW)
        connection.consumed(stream, 1, NOW)
        connection.cancel(stream, NOW)
        connection.countersign(stream)
        connection.refuse(stream, ErrorCode.BUSY)
        assert connection.provider(stream) is None
        assert not connection.accept(stream, 1)
    connection.advertise([], NOW)
    connection.handle_timeout(NOW + 1e9)
    connection.connection_lost(0)
    connection.close(ErrorCode.NO_ERROR)
    with pytest.raises(LocalProtocolError):
        connection.request(None, NOW)  # type: ignore[arg-type]
    assert connection.next_timeout() is None
    assert connection.actions() == []
    assert connection.next_event() is None
    assert side.events == events
