"""Shapes of maps as data: SPEC.md sections "Encoding" and "Versioning and extension".

A `Shape` lists the keys of a map, what each may hold and the attribute that it becomes; one table serves both
directions. In a signed body every unknown key is fatal. In any other body an unknown even key is fatal and an unknown
odd key is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from .codec import Value, decode
from .errors import ErrorCode, ProtocolError, RemoteProtocolError


class ShapeError(RemoteProtocolError):
    """A map that is deterministic CBOR, but not what its rule says. ``code`` is set by the shape.

    ``field`` names the outermost key that is wrong, for the local log and for this node's own user.
    """

    field: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key may hold: ``read`` turns a decoded value into the attribute (ValueError refuses), ``write`` back."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a map. One that is optional is left out where the attribute is its ``default``, or empty."""

    key: int
    name: str
    kind: Kind
    optional: bool = False
    default: object = None


def integer(most: int, least: int = 0) -> Kind:
    """An integer from ``least`` to ``most``, both included."""

    def read(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"not an integer from {least} to {most}")
        return value

    return Kind(read)


def octets(size: int) -> Kind:
    """Exactly ``size`` bytes."""

    def read(value: object) -> bytes:
        if type(value) is not bytes or len(value) != size:
            raise ValueError(f"not {size} bytes")
        return value

    return Kind(read)


def blob(most: int, least: int = 0) -> Kind:
    """A string of ``least`` to ``most`` bytes."""

    def read(value: object) -> bytes:
        if type(value) is not bytes or not least <= len(value) <= most:
            raise ValueError(f"not a string of {least} to {most} bytes")
        return value

    return Kind(read)


def text(most: int, least: int = 0) -> Kind:
    """Text of ``least`` to ``most`` bytes in UTF-8."""

    def read(value: object) -> str:
        if type(value) is not str or not least <= len(value.encode()) <= most:
            raise ValueError(f"not a text of {least} to {most} bytes")
        return value

    return Kind(read)


def boolean() -> Kind:
    """True or false."""

    def read(value: object) -> bool:
        if type(value) is not bool:
            raise ValueError("not true or false")
        return value

    return Kind(read)


def registered(registry: type[IntEnum]) -> Kind:
    """A value of a closed registry."""

    def read(value: object) -> IntEnum:
        if type(value) is not int:
            raise ValueError("not an integer")
        return registry(value)

    return Kind(read, int)


def flags(registry: type[IntFlag]) -> Kind:
    """A set of bits of a closed registry, none to all of them, as an integer."""
    known = sum(registry)

    def read(value: object) -> IntFlag:
        if type(value) is not int or not 0 <= value <= known:
            raise ValueError(f"not a set of bits from 0 to {known}")
        return registry(value)

    return Kind(read, int)


def nullable(kind: Kind) -> Kind:
    """``kind`` or null."""
    return Kind(
        lambda value: None if value is None else kind.read(value),
        lambda value: None if value is None else kind.write(value),
    )


def either(of_text: Kind, otherwise: Kind) -> Kind:
    """``of_text`` for a text, ``otherwise`` for anything else: no value is both."""
    return Kind(
        lambda value: (of_text if type(value) is str else otherwise).read(value),
        lambda value: (of_text if type(value) is str else otherwise).write(value),
    )


def array(kind: Kind, most: int, least: int = 0) -> Kind:
    """An array of ``least`` to ``most`` elements."""

    def read(value: object) -> tuple[Any, ...]:
        if type(value) is not list or not least <= len(value) <= most:
            raise ValueError(f"not an array of {least} to {most} elements")
        return tuple(kind.read(element) for element in value)

    return Kind(read, lambda value: [kind.write(element) for element in value])


def write_fields(fields: Iterable[Field], source: object) -> dict[int, Value]:
    """The entries of those ``fields``, read off ``source``; an optional one that says nothing is left out."""
    entries: dict[int, Value] = {}
    for field in fields:
        value = getattr(source, field.name)
        if not (field.optional and value in (None, (), field.default)):
            entries[field.key] = field.kind.write(value)
    return entries


class Shape:
    """A map as a table of its fields. ``name`` is its rule in spec/cddl."""

    __slots__ = ("_code", "_known", "_needed", "_requirement", "fields", "name", "signed")

    def __init__(
        self,
        name: str,
        *fields: Field,
        signed: bool = False,
        code: ErrorCode = ErrorCode.ENCODING,
        requirement: str = "FRM-008",
    ) -> None:
        self.name = name
        self.fields = fields
        self.signed = signed
        self._known = {field.key: (field.name, field.kind.read) for field in fields}
        self._needed = frozenset(field.key for field in fields if not field.optional)
        self._code = code
        self._requirement = requirement

    def read(self, value: Value) -> dict[str, Any]:
        """The attributes in ``value``, by name. Raises `ShapeError`."""
        if type(value) is not dict:
            raise self._error("not a map", self._requirement)
        attributes: dict[str, Any] = {}
        for key, content in value.items():
            if key not in self._known:
                self._refuse_unknown(key)
                continue
            name, read = self._known[key]
            try:
                attributes[name] = read(content)
            except ShapeError as error:
                error.field = name
                raise
            except ProtocolError:
                raise
            except ValueError as error:
                refusal = self._error(f"{name}: {error}", self._requirement)
                refusal.field = name
                raise refusal from None
        if not self._needed <= value.keys():
            raise self._error("a key is missing", self._requirement)
        return attributes

    def read_item(self, data: bytes) -> dict[str, Any]:
        """The attributes in the item ``data``. Raises `RemoteProtocolError`, with the shape's code in every case."""
        try:
            return self.read(decode(data))
        except ShapeError:
            raise
        except RemoteProtocolError as error:
            what = str(error).removesuffix(f" [{error.requirement}]")
            raise self._error(what, error.requirement) from None

    def write(self, source: object, extra: Mapping[int, Value] | None = None) -> dict[int, Value]:
        """The map of the attributes of ``source``, with ``extra`` entries (GREASE) beside them."""
        return {**(extra or {}), **write_fields(self.fields, source)}

    def _refuse_unknown(self, key: int) -> None:
        if self.signed:
            raise self._error(f"unknown key {key} in a signed body", "EXT-003")
        if key % 2 == 0:
            raise self._error(f"unknown even key {key}", "EXT-001")

    def _error(self, what: str, requirement: str) -> ShapeError:
        return ShapeError(f"{self.name}: {what}", code=self._code, requirement=requirement)


def nested(shape: Shape, make: Callable[..., Any]) -> Kind:
    """A map of another shape, as the value that ``make`` builds of its attributes."""
    return Kind(lambda value: make(**shape.read(value)), shape.write)
