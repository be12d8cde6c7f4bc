"""The channel binding against an HKDF and a key schedule that share nothing with aioquic's or ours."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import pytest
from aioquic.quic.packet import QuicStreamFrame
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mycellm_proto.errors import ErrorCode
from mycellm_proto.exporter import BINDING_SIZE, EXPORTER_LABEL, channel_binding
from reference_node.quic import session, watch

from .peers import two_hosts

P256 = 0x0017
KEY_SHARE = 51
HASH_OF_SUITE = {0x1301: "sha256", 0x1302: "sha384", 0x1303: "sha256"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """RFC 8446 section 7.1 with the standard library alone."""

    name: str

    def digest(self, data: bytes = b"") -> bytes:
        return hashlib.new(self.name, data).digest()

    def extract(self, salt: bytes, key: bytes) -> bytes:
        return hmac.digest(salt, key, self.name)

    def expand_label(self, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
        output, block = b"", b""
        for counter in range(1, 1 + -(-length // len(self.digest()))):
            block = hmac.digest(secret, block + info + bytes([counter]), self.name)
            output += block
        return output[:length]

    def exporter_master_secret(self, shared: bytes, transcript: bytes) -> bytes:
        size, empty = len(self.digest()), self.digest()
        early = self.extract(bytes(size), bytes(size))
        handshake = self.extract(self.expand_label(early, b"derived", empty, size), shared)
        master = self.extract(self.expand_label(handshake, b"derived", empty, size), bytes(size))
        return self.expand_label(master, b"exp master", self.digest(transcript), size)

    def exporter(self, exporter_master_secret: bytes, label: bytes) -> bytes:
        secret = self.expand_label(exporter_master_secret, label, self.digest(), len(self.digest()))
        return self.expand_label(secret, b"exporter", self.digest(), 32)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384()])
def test_the_derivation_is_the_exporter_of_rfc_8446(algorithm: hashes.HashAlgorithm) -> None:
    secret = bytes(range(algorithm.digest_size))
    expected = Schedule(name=algorithm.name).exporter(secret, b"EXPORTER-mycellm-channel-binding")
    assert channel_binding(algorithm, secret) == expected
    assert len(expected) == BINDING_SIZE


@dataclass
class Wiretap:
    """The TLS messages that the initiator's aioquic sent and received in CRYPTO frames, by epoch, and its DH keys."""

    sent: bytearray
    received: list[bytearray]
    keys: list[ec.EllipticCurvePrivateKey]

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> Wiretap:
        tap = cls(bytearray(), [], [])

        class TappedWatch(watch.FrameWatch):
            def __init__(self, *, is_initiator: bool) -> None:
                super().__init__(is_initiator=is_initiator)
                self.taps = is_initiator

            def encode_crypto_frame(self, frame: QuicStreamFrame) -> dict[str, object]:
                if self.taps:
                    tap.see(frame, received=self.receiving)
                return super().encode_crypto_frame(frame)

        generate = ec.generate_private_key

        def spy(curve: ec.EllipticCurve, backend: object = None) -> ec.EllipticCurvePrivateKey:
            tap.keys.append(generate(curve))
            return tap.keys[-1]

        monkeypatch.setattr(session, "FrameWatch", TappedWatch)
        monkeypatch.setattr(ec, "generate_private_key", spy)
        return tap

    def see(self, frame: QuicStreamFrame, *, received: bool) -> None:
        """Offsets begin again with each epoch; on loopback nothing is lost or reordered."""
        if not received:
            if frame.offset == len(self.sent):
                self.sent += frame.data
        elif frame.offset == 0:
            self.received.append(bytearray(frame.data))
        else:
            assert frame.offset == len(self.received[-1])
            self.received[-1] += frame.data

    def client_hello(self) -> bytes:
        return bytes(self.sent[: 4 + int.from_bytes(self.sent[1:4], "big")])

    def transcript(self) -> bytes:
        """ClientHello to the responder's Finished (type 20), which is the last message of its flight."""
        server_hello, flight = self.received[:2]
        position, kind = 0, 0
        while position < len(flight):
            kind, position = flight[position], position + 4 + int.from_bytes(flight[position + 1 : position + 4], "big")
        assert kind == 20
        assert position == len(flight)
        return self.client_hello() + bytes(server_hello) + bytes(flight)

    def suite_and_share(self) -> tuple[int, bytes]:
        """Cipher suite and P-256 share of the ServerHello (RFC 8446 section 4.1.3)."""
        hello = bytes(self.received[0])
        rest = 4 + 2 + 32
        rest += 1 + hello[rest]
        suite = int.from_bytes(hello[rest : rest + 2], "big")
        rest += 3 + 2
        while rest < len(hello):
            kind, size = (
                int.from_bytes(hello[rest : rest + 2], "big"),
                int.from_bytes(hello[rest + 2 : rest + 4], "big"),
            )
            if kind == KEY_SHARE:
                assert int.from_bytes(hello[rest + 4 : rest + 6], "big") == P256
                return suite, hello[rest + 8 : rest + 4 + size]
            rest += 4 + size
        raise AssertionError("no key share")

    def shared_secret(self, share: bytes) -> bytes:
        """ECDH of the initiator's key, which is the one whose public half is in the ClientHello."""
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), share)
        for key in self.keys:
            point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            if isinstance(key.curve, ec.SECP256R1) and point in self.client_hello():
                return key.exchange(ec.ECDH(), peer)
        raise AssertionError("no key of the ClientHello")


async def test_the_binding_of_a_connection_follows_from_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        tap = Wiretap.install(monkeypatch)
        dialled, answering = await here.link_to(there)
    suite, share = tap.suite_and_share()
    schedule = Schedule(name=HASH_OF_SUITE[suite])
    secret = schedule.exporter_master_secret(tap.shared_secret(share), tap.transcript())
    assert dialled.binding == answering.binding == schedule.exporter(secret, EXPORTER_LABEL)


async def test_every_connection_has_its_own_binding() -> None:
    async with two_hosts() as (here, there):
        first, _ = await here.link_to(there)
        second, _ = await here.link_to(there)
        backwards, _ = await there.link_to(here)
    assert len({first.binding, second.binding, backwards.binding}) == 3


async def test_without_a_binding_no_link_becomes_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        monkeypatch.setattr(session.BindingSink, "write", lambda self, line: len(line))
        dialled = here.dial(there)
        assert await dialled.closed() == (ErrorCode.NO_CHANNEL_BINDING, False)
        assert await there.accepted[0].closed() == (ErrorCode.NO_CHANNEL_BINDING, False)
        assert dialled.kinds == there.accepted[0].kinds == ["closed"]


async def test_an_initiator_without_a_binding_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    write = session.BindingSink.write

    def only_for_responders(self: session.BindingSink, line: str) -> int:
        if self.connection is not None and self.connection.configuration.is_client:
            return len(line)
        return write(self, line)

    async with two_hosts() as (here, there):
        monkeypatch.setattr(session.BindingSink, "write", only_for_responders)
        dialled = here.dial(there)
        assert await dialled.closed() == (ErrorCode.NO_CHANNEL_BINDING, False)
        assert dialled.kinds == ["closed"]
        assert await there.accepted[0].closed() == (ErrorCode.NO_CHANNEL_BINDING, True)


def test_the_sink_keeps_no_line() -> None:
    sink = session.BindingSink()
    assert sink.write("SERVER_TRAFFIC_SECRET_0 00 11\n") == 30
    sink.flush()
    assert vars(sink) == {"connection": None, "binding": None}
