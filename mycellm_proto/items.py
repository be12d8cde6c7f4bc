"""Arguments and results of calls: SPEC.md section "Calls".

Unsigned maps of a CDDL rule each; whatever is wrong with one is MALFORMED.
"""

from __future__ import annotations

from typing import ClassVar, Self

from . import codec
from .errors import ErrorCode
from .fields import Field, Shape


class Item:
    """What a dataclass inherits whose values travel as the arguments or the result of a call."""

    __slots__ = ()
    shape: ClassVar[Shape]

    def encode(self) -> bytes:
        """The bytes for a CALL or a RESULT."""
        return codec.encode(self.shape.write(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The value in the bytes of a CALL or a RESULT. Raises `RemoteProtocolError` (MALFORMED)."""
        return cls(**cls.shape.read_item(data))


def rule(name: str, *fields: Field) -> Shape:
    """The shape of arguments or a result, whose CDDL rule is ``name``."""
    return Shape(name, *fields, code=ErrorCode.MALFORMED, requirement="CAL-015")
