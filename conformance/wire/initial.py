"""What an initiator's first packets show: QUIC's Initial packets hide from nobody (RFC 9001 section 5.2)."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_VERSION_1 = b"\0\0\0\1"
_INITIAL, _ZERO_RTT = 0, 1
_SERVER_NAME, _PRE_SHARED_KEY, _EARLY_DATA = 0, 41, 42


class FirstFlight:
    """Reads the datagrams of one initiator until its ClientHello is whole."""

    def __init__(self) -> None:
        self._keys: tuple[bytes, bytes, bytes] | None = None
        self._crypto: dict[int, bytes] = {}
        self._done = False
        self.zero_rtt = False
        """Whether a packet of 0-RTT came."""

    def read(self, datagram: bytes) -> dict[str, bool] | None:
        """What ClientHello offers, once it is whole, and once."""
        try:
            self._packets(datagram)
            extensions = None if self._done else _extensions(self._stream())
        except (IndexError, ValueError, InvalidTag):
            return None  # not what this reader knows: the connection will say
        if extensions is None:
            return None
        self._done = True
        return {
            "server_name": _SERVER_NAME in extensions,
            "pre_shared_key": _PRE_SHARED_KEY in extensions,
            "early_data": _EARLY_DATA in extensions,
        }

    def _packets(self, datagram: bytes) -> None:
        at = 0
        while at < len(datagram) and datagram[at] & 0x80 and datagram[at + 1 : at + 5] == _VERSION_1:
            kind = datagram[at] >> 4 & 3
            destination, position = _block(datagram, at + 5)
            _, position = _block(datagram, position)
            if kind == _INITIAL:
                size, position = _varint(datagram, position)
                position += size
            length, position = _varint(datagram, position)
            end = position + length
            self.zero_rtt = self.zero_rtt or kind == _ZERO_RTT
            if kind == _INITIAL and not self._done:
                self._keys = self._keys or _derive(destination)
                self._frames(_unprotected(datagram[at:end], position - at, self._keys))
            at = end

    def _frames(self, payload: bytes) -> None:
        at = 0
        while at < len(payload):
            kind = payload[at]
            at += 1
            if kind == 0x06:  # CRYPTO
                offset, at = _varint(payload, at)
                size, at = _varint(payload, at)
                self._crypto[offset] = payload[at : at + size]
                at += size
            elif kind in (0x02, 0x03):  # ACK
                at = _skip_ack(payload, at, with_counts=kind == 0x03)
            elif kind > 0x01:  # no PADDING or PING either: nothing that carries a ClientHello
                return

    def _stream(self) -> bytes:
        whole = b""
        for offset in sorted(self._crypto):
            if offset > len(whole):
                break
            whole = whole[:offset] + self._crypto[offset]
        return whole


def _derive(destination: bytes) -> tuple[bytes, bytes, bytes]:
    """Key, IV and header protection key of the initiator's Initial packets."""
    secret = _expand(hmac.new(_SALT, destination, "sha256").digest(), b"client in", 32)
    return _expand(secret, b"quic key", 16), _expand(secret, b"quic iv", 12), _expand(secret, b"quic hp", 16)


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0"
    return hmac.new(secret, info + b"\x01", hashlib.sha256).digest()[:size]


def _unprotected(packet: bytes, number_at: int, keys: tuple[bytes, bytes, bytes]) -> bytes:
    key, iv, protection = keys
    encryptor = Cipher(algorithms.AES(protection), modes.ECB()).encryptor()  # noqa: S305  RFC 9001 section 5.4.3
    mask = encryptor.update(packet[number_at + 4 : number_at + 20])
    first = packet[0] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[number_at : number_at + size], mask[1:], strict=False))
    header = bytes((first,)) + packet[1:number_at] + number
    nonce = bytes(a ^ b for a, b in zip(iv, number.rjust(12, b"\0"), strict=True))
    return AESGCM(key).decrypt(nonce, packet[number_at + size :], header)


def _extensions(stream: bytes) -> frozenset[int] | None:
    """The types of a ClientHello's extensions; None while it is not whole."""
    if len(stream) < 4 or len(stream) < 4 + int.from_bytes(stream[1:4], "big"):
        return None
    at = 4 + 2 + 32
    at += 1 + stream[at]  # session id
    at += 2 + int.from_bytes(stream[at : at + 2], "big")  # cipher suites
    at += 1 + stream[at]  # compression
    end = at + 2 + int.from_bytes(stream[at : at + 2], "big")
    at += 2
    found = set()
    while at < end:
        found.add(int.from_bytes(stream[at : at + 2], "big"))
        at += 4 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return frozenset(found)


def _block(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes behind a length of one byte, and where they end."""
    end = at + 1 + data[at]
    return data[at + 1 : end], end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    size = 1 << (data[at] >> 6)
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


def _skip_ack(data: bytes, at: int, *, with_counts: bool) -> int:
    for _ in range(2):
        _, at = _varint(data, at)
    ranges, at = _varint(data, at)
    for _ in range(1 + 2 * ranges + 3 * with_counts):
        _, at = _varint(data, at)
    return at
