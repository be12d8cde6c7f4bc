"""The handshake's objects: SPEC.md section "Handshake".

Each side signs one HELLO over the channel binding of this very connection. The responder signs first; the initiator
answers with both keys and the hash of the responder's HELLO, so that nothing either side offered can be altered. What
is negotiated is a pure function of the two signed bodies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from . import codec
from .content import Operation
from .errors import ErrorCode, RemoteProtocolError
from .fields import Field, Shape, array, boolean, integer, octets, registered
from .grease import RESERVED
from .keys import KEY_SIZE, SigningKey
from .signed import HASH_SIZE, Context, Signed

BINDING_SIZE = 32
MAX_CAPABILITIES = 64
"""A HELLO stays within one datagram, so that it costs no round trip."""

VERSION = 1
"""The only wire version that this package speaks."""


class ConnectionRole(IntEnum):
    """Who dialed (registry: spec/registries/connection-roles.toml)."""

    INITIATOR = 0
    RESPONDER = 1


class Capability(IntEnum):
    """What both sides must offer before it is used (registry: spec/registries/capabilities.toml)."""

    CHAT = 1
    CALLS = 2
    COMPLETE = 3
    EMBED = 4


NEEDED = {
    Operation.CHAT: Capability.CHAT,
    Operation.COMPLETE: Capability.COMPLETE,
    Operation.EMBED: Capability.EMBED,
}
"""The capability that a request of each operation needs (VER-004)."""


_COMMON = (
    Field(0, "role", registered(ConnectionRole)),
    Field(1, "node_key", octets(KEY_SIZE)),
    Field(2, "binding", octets(BINDING_SIZE)),
    Field(3, "version_min", integer(0xFFFF)),
    Field(4, "version_max", integer(0xFFFF)),
    Field(5, "capabilities", array(integer(0xFFFF), MAX_CAPABILITIES)),
)
RESPONDER_HELLO = Shape(
    "hello-responder", *_COMMON, signed=True, code=ErrorCode.HANDSHAKE_FAILED, requirement="HSK-005"
)
INITIATOR_HELLO = Shape(
    "hello-initiator",
    *_COMMON,
    Field(6, "peer_key", octets(KEY_SIZE)),
    Field(7, "peer_hello", octets(HASH_SIZE)),
    Field(8, "pinned", boolean()),
    signed=True,
    code=ErrorCode.HANDSHAKE_FAILED,
    requirement="HSK-005",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What one side offers. ``peer_key``, ``peer_hello`` and ``pinned`` are the initiator's alone."""

    role: ConnectionRole
    node_key: bytes
    binding: bytes
    version_min: int = VERSION
    version_max: int = VERSION
    capabilities: tuple[int, ...] = ()
    peer_key: bytes | None = None
    peer_hello: bytes | None = None
    pinned: bool | None = None

    def sign(self, key: SigningKey) -> Signed:
        """This HELLO as it travels."""
        shape = RESPONDER_HELLO if self.role is ConnectionRole.RESPONDER else INITIATOR_HELLO
        return Signed.make(key, Context.HELLO, shape.write(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a handshake proved and agreed: ``peer`` is the peer's node key (32 bytes)."""

    peer: bytes
    pinned: bool
    version: int
    capabilities: frozenset[int]


def read_hello(signed: Signed, *, sender: ConnectionRole, binding: bytes) -> Hello:
    """The HELLO of ``sender``, its signature and channel binding verified. Raises `RemoteProtocolError`."""
    shape = RESPONDER_HELLO if sender is ConnectionRole.RESPONDER else INITIATOR_HELLO
    hello = Hello(**shape.read(codec.decode(signed.body)))
    # HSK-006: the signature is the sender's own.
    signed.verify(hello.node_key, Context.HELLO, code=ErrorCode.HANDSHAKE_FAILED, requirement="HSK-006")
    # HSK-007: a HELLO of another connection or of the other role proves nothing here.
    if hello.role is not sender or hello.binding != binding:
        raise _failed("role or channel binding is another connection's", "HSK-007")
    if list(hello.capabilities) != sorted(set(hello.capabilities)):
        raise _failed("capabilities are not ascending", "HSK-008")
    return hello


def check_responder(hello: Hello, *, own: bytes, expected: bytes | None) -> None:
    """HSK-009, HSK-010: the responder is the node that was dialed, and not this node. Raises `RemoteProtocolError`."""
    if expected is not None and hello.node_key != expected:
        message = "the responder is another node than the one dialed"
        raise RemoteProtocolError(message, code=ErrorCode.WRONG_PEER, requirement="HSK-009")
    if hello.node_key == own:
        message = "the responder is this node"
        raise RemoteProtocolError(message, code=ErrorCode.WRONG_PEER, requirement="HSK-010")


def check_initiator(hello: Hello, *, own: bytes, own_hello: bytes) -> None:
    """HSK-011, HSK-012: the initiator answers this node and this HELLO. Raises `RemoteProtocolError`."""
    if hello.peer_key != own or hello.node_key == own:
        message = "the initiator addresses another node"
        raise RemoteProtocolError(message, code=ErrorCode.WRONG_PEER, requirement="HSK-011")
    if hello.peer_hello != own_hello:
        raise _failed("the initiator saw another HELLO", "HSK-012")


def negotiate(first: Hello, second: Hello) -> tuple[int, frozenset[int]]:
    """Version and capabilities, the same from either side (VER-001, VER-003). Raises `RemoteProtocolError`."""
    version = min(first.version_max, second.version_max)
    if version < max(first.version_min, second.version_min):
        message = f"no common version in {first.version_min}-{first.version_max}, {second.version_min}-"
        raise RemoteProtocolError(
            f"{message}{second.version_max}", code=ErrorCode.VERSION_UNSUPPORTED, requirement="VER-002"
        )
    return version, _shared(first.capabilities, second.capabilities)


def _shared(first: Iterable[int], second: Iterable[int]) -> frozenset[int]:
    return frozenset(first) & frozenset(second) - frozenset(RESERVED)


def _failed(message: str, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.HANDSHAKE_FAILED, requirement=requirement)
