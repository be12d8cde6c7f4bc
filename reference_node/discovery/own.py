"""This node's own records: one a network, signed anew before it expires. SPEC.md section "Discovery"."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mycellm_proto import codec
from mycellm_proto.errors import ProtocolError
from mycellm_proto.limits import MAX_ADDRESSES
from mycellm_proto.records import Record
from mycellm_proto.signed import HASH_SIZE

from .. import log
from ..identity import HomeError, read_secret, replace_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mycellm_proto.invite import Address
    from mycellm_proto.keys import SigningKey
    from mycellm_proto.signed import Signed

SEQUENCES_FILE = "records.cbor"
LIFE_S = 2 * 3600
"""A record is signed anew at half its life. Who leaves without a word is forgotten after it."""
LOOK_S = 30.0
"""How often it is looked where this node is reached: a laptop moves."""
MAX_FILE = 1 << 16

_log = logging.getLogger(__name__)


class OwnRecords:
    """The records of the node with ``key``, whose ``home`` keeps their sequence numbers.

    ``addresses`` says where it is reached now; ``now`` gives seconds since 1970.
    """

    def __init__(
        self, home: Path, key: SigningKey, addresses: Callable[[], tuple[Address, ...]], now: Callable[[], float]
    ) -> None:
        self._path = home / SEQUENCES_FILE
        self._key = key
        self._addresses = addresses
        self._now = now
        self._leaving = False
        self._looked = -LOOK_S
        self._places: tuple[Address, ...] = ()
        self._sequences = self._read()
        self._signed: dict[bytes, tuple[Record, Signed]] = {}

    def current(self, network: bytes) -> tuple[Record, Signed] | None:
        """What this node says of itself there; None where it has nothing to say, or cannot keep its number."""
        now = self._now()
        if self._leaving:
            return None
        if now >= self._looked + LOOK_S:
            self._looked, self._places = now, self._addresses()[:MAX_ADDRESSES]
        addresses = self._places
        held = self._signed.get(network)
        if held is not None and held[0].addresses == addresses and now < (held[0].issued + held[0].expires) / 2:
            return held
        if not addresses:
            return None
        return self._sign(network, addresses)

    def farewell(self, network: bytes) -> Signed | None:
        """That this node leaves, if it has said that it is there. It says nothing else from then on."""
        self._leaving = True
        if self._signed.pop(network, None) is None:
            return None
        made = self._sign(network, ())
        self._signed.pop(network, None)
        return None if made is None else made[1]

    # Inside

    def _sign(self, network: bytes, addresses: tuple[Address, ...]) -> tuple[Record, Signed] | None:
        now = int(self._now())
        # Never below the clock: whoever comes back from an old backup, or with its number lost, is heard all the same.
        sequence = max(self._sequences.get(network, 0) + 1, now)
        numbers = {**self._sequences, network: sequence}
        try:  # DSC-013: on the disk before it is signed
            replace_secret(self._path, codec.encode([[each, number] for each, number in sorted(numbers.items())]))
        except HomeError as error:
            log.event(_log, logging.WARNING, "discovery.not_announced", reason=str(error))
            return None
        self._sequences = numbers
        record = Record(
            node=self._key.public,
            sequence=sequence,
            network=network,
            addresses=addresses,
            issued=now,
            expires=now + LIFE_S,
        )
        self._signed[network] = record, record.sign(self._key)
        return self._signed[network]

    def _read(self) -> dict[bytes, int]:
        try:
            content = read_secret(self._path, MAX_FILE)
            if content is None:
                return {}
            match codec.decode(content):
                case list() as rows if all(_is_row(row) for row in rows):
                    return dict(rows)
        except (HomeError, ProtocolError) as error:
            log.event(_log, logging.WARNING, "discovery.unusable", path=str(self._path), reason=str(error))
        return {}


def _is_row(row: object) -> bool:
    match row:
        case [bytes() as network, int() as number]:
            return len(network) == HASH_SIZE and number >= 0
    return False
