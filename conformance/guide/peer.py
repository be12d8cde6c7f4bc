"""A peer of the mycellm protocol in one file: it answers requests by saying their words again.

The worked example of README.md beside it. It is no part of the suite, imports nothing of this project, and passes the
smoke tier. What a whole peer does beyond it is marked with "later".

    python3 peer.py 127.0.0.1:7420
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import ssl
import sys
import time
from datetime import UTC, datetime

import cbor2
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, StreamDataReceived
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.x509.oid import NameOID

HELLO, MODELS, ERROR, REQUEST, ACCEPT, CHUNK, TICK, CREDIT, CANCEL, END, COUNTERSIGN = range(0, 22, 2)
LIMITS = {MODELS: 65_536, REQUEST: 1_048_576, CHUNK: 16_384, END: 4096}
BAD = (ValueError, TypeError, KeyError, IndexError, AttributeError)


class Close(Exception):
    """Fail with a code: the connection is closed."""


class Refuse(Exception):
    """Refuse a request, or give it up, with a code."""


# 1. Encoding and frames. Later: cbor2 lets floats, tags and much depth pass; spec/vectors/v1/encoding.json knows all.


def encode(value):
    return cbor2.dumps(value, canonical=True)


def decode(data):
    """The one item that fills ``data``: encoding it again has to give the same bytes."""
    value = cbor2.loads(data)
    if encode(value) != data:
        raise ValueError("not deterministic")
    return value


def varint(number):
    exponent = next(e for e, bits in enumerate((6, 14, 30, 62)) if number < 1 << bits)
    return (number | exponent << (8 * (1 << exponent) - 2)).to_bytes(1 << exponent, "big")


def frame(kind, body):
    data = encode(body)
    return varint(len(data)) + varint(kind) + data


def frames(buffer):
    """Take the whole frames off a bytearray: type and body."""
    while True:
        at, numbers = 0, []
        while len(numbers) < 2 and at < len(buffer) and at + (size := 1 << (buffer[at] >> 6)) <= len(buffer):
            numbers.append(int.from_bytes(buffer[at : at + size], "big") & (1 << 8 * size - 2) - 1)
            if varint(numbers[-1]) != buffer[at : at + size]:
                raise Close(16)  # ENCODING
            at += size
        if len(numbers) == 2 and numbers[0] > LIMITS.get(numbers[1], 1024):
            raise Close(17)  # FRAME_TOO_LARGE
        if len(numbers) < 2 or len(buffer) - at < numbers[0]:
            return
        body = bytes(buffer[at : at + numbers[0]])
        del buffer[: at + numbers[0]]
        yield numbers[1], body


# 2. Signatures and names. Later: KEY-002 asks more than this library does; see "Signatures" in SPEC.md.


def preimage(context, *encoded):
    return bytes((0x81 + len(encoded),)) + encode(f"mycellm/{context}/v1") + b"".join(encoded)


def name(context, *encoded):
    return hashlib.sha256(preimage(context, *encoded)).digest()


def signed(context, body):
    data = encode(body)
    return [data, KEY.sign(preimage(context, data))]


def check(code, context, public, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, preimage(context, data))
    except (InvalidSignature, ValueError):
        raise code from None


KEY = Ed25519PrivateKey.generate()  # later: kept in a file
PUBLIC = KEY.public_key().public_bytes_raw()
DIRECT = name("network", encode({0: "direct"}))
OPENS = {}  # later: kept on the disk; (consumer, sequence) of every open that was admitted

# 3. The channel binding: the exporter of RFC 8446, section 7.5, at the one moment at which aioquic has it.


class Secrets:
    peer = None

    def write(self, line):
        if line.startswith("SERVER_TRAFFIC_SECRET_0 "):
            schedule = self.peer._quic.tls.key_schedule
            empty = hashes.Hash(schedule.algorithm).finalize()
            secret = schedule.derive_secret(b"exp master")
            for label, size in ((b"EXPORTER-mycellm-channel-binding", len(empty)), (b"exporter", 32)):
                label = b"tls13 " + label
                info = size.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(empty),)) + empty
                secret = HKDFExpand(schedule.algorithm, size, info).derive(secret)
            self.peer.binding = secret

    def flush(self):
        pass


SECRETS = Secrets()

# 4. A connection: HELLO, MODELS, and a request on each of the streams 0, 4, 8 and so on.


class Peer(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initiator, self.buffers, self.requests = None, {}, {}

    def datagram_received(self, data, addr):
        SECRETS.peer = self
        super().datagram_received(data, addr)

    def quic_event_received(self, event):
        try:
            if isinstance(event, ProtocolNegotiated):  # in the first flight, before anything is known (HSK-003)
                hello = signed("hello", {0: 1, 1: PUBLIC, 2: self.binding, 3: 1, 4: 1, 5: [1]})
                self.own_hello = name("hello", hello[0])
                self.send(3, HELLO, hello)
                asyncio.get_running_loop().call_later(10, lambda: self.initiator or self.close(23))  # TIMEOUT
            elif isinstance(event, StreamDataReceived):
                self.data(event.stream_id, event.data)
        except Close as error:
            self.close(error.args[0])

    def send(self, stream, kind, body, fin=False):
        self._quic.send_stream_data(stream, frame(kind, body), fin)
        self.transmit()

    def data(self, stream, data):
        if stream != 2 and (self.initiator is None or stream % 4):
            raise Close(20 if self.initiator else 33)  # STREAM_MISUSE, HANDSHAKE_FAILED
        buffer = self.buffers.setdefault(stream, bytearray())
        buffer += data
        for kind, body in frames(buffer):
            if stream != 2:
                self.requests.setdefault(stream, Request(self, stream)).received(kind, body)
            elif kind != (MODELS if self.initiator else HELLO) and not (kind % 2 and self.initiator):
                raise Close(19 if kind % 2 or kind > COUNTERSIGN else 18)  # UNKNOWN_FRAME, UNEXPECTED_FRAME
            elif self.initiator is None:
                self.hello(body)

    def hello(self, body):
        """Checks a to j of "Handshake"; the first that fails gives the code."""
        try:
            data, signature = decode(body)
            hello = decode(data)
            shape = sorted(hello) == list(range(9)) and len(signature) == 64
        except BAD:
            raise Close(16) from None  # ENCODING
        if not shape:  # later: the types of all its values
            raise Close(33)  # HANDSHAKE_FAILED
        check(Close(33), "hello", hello[1], data, signature)
        if hello[0] != 0 or hello[2] != self.binding or hello[5] != sorted(set(hello[5])):
            raise Close(33)
        if hello[6] != PUBLIC or hello[1] == PUBLIC:
            raise Close(34)  # WRONG_PEER
        if hello[7] != self.own_hello:
            raise Close(33)
        if not hello[3] <= 1 <= hello[4]:
            raise Close(32)  # VERSION_UNSUPPORTED
        self.initiator, self.pinned, self.chat = hello[1], hello[8], 1 in hello[5]
        terms = {5: 1, 6: 4, 7: 8, 8: 1, 9: 2, 10: int(time.time()) + 3600}
        self.quote = {0: PUBLIC, 1: DIRECT, 2: "echo", 3: bytes(32), 4: 4096} | terms
        offer = signed("quote", self.quote)
        self.quote_name = name("quote", offer[0])
        self.send(3, MODELS, {0: [offer]})


# 5. A request: checks, ACCEPT, CHUNK as far as it is paid, END, COUNTERSIGN.


class Request:
    def __init__(self, peer, stream):
        self.peer, self.stream, self.state, self.said, self.close = peer, stream, "IDLE", [], b""

    def received(self, kind, body):
        try:
            if self.state == "IDLE":
                self.begin(kind, body)
            elif self.state != "DONE" and kind % 2 == 0:  # it's OK to be odd
                self.later(kind, body)
        except Refuse as error:
            self.state = "DONE"
            self.peer.send(self.stream, ERROR, {0: error.args[0]}, fin=True)

    def begin(self, kind, body):
        """Checks c to o of "Inference exchange". Later: the shapes of everything, and durable records."""
        peer = self.peer
        if kind != REQUEST:
            raise Refuse(48)  # UNKNOWN_REQUEST
        try:
            request = decode(body)
            content, (data, signature) = decode(request[0]), request[2]
            self.open, operation = decode(data), content[0]
        except BAD:
            raise Refuse(50) from None  # MALFORMED
        if not peer.pinned:
            raise Refuse(51)  # UNPINNED
        if not peer.chat or operation != 1:
            raise Refuse(49)  # UNSUPPORTED
        if not {1, 2, 3, 4} <= set(content):
            raise Refuse(50)
        if sorted(self.open) != list(range(9)) or self.open[1] != peer.initiator or self.open[2] != PUBLIC:
            raise Refuse(64)  # BAD_OPEN
        check(Refuse(64), "open", peer.initiator, data, signature)
        if self.open[5] != peer.quote_name:
            raise Refuse(65)  # UNKNOWN_QUOTE
        if (self.open[0], content[1]) != (DIRECT, "echo") or self.open[7] > 65_536 * peer.quote[7]:
            raise Refuse(64)
        if self.open[6] != name("request", encode(request[1]), request[0]):
            raise Refuse(64)
        self.k, self.link = 0, self.open[8]
        self.pay(peer.quote[8], request[3])
        if (peer.initiator, self.open[3]) in OPENS:
            raise Refuse(67)  # SEQUENCE_USED
        self.name = OPENS[peer.initiator, self.open[3]] = name("open", data)
        self.input = sum(1 + len(message[1].split()) for message in content[2])
        if self.owed(1) > self.open[7]:
            raise Refuse(68)  # CEILING_TOO_LOW; later: with limit and actual
        self.most, self.stops = content[3], content.get(5, [])
        self.words = itertools.cycle(content[2][-1][1].split(" "))
        self.next, self.state = next(self.words), "STREAMING"
        self.peer.send(self.stream, ACCEPT, {0: self.input})
        self.pump()

    def later(self, kind, body):
        if kind > COUNTERSIGN:
            raise Close(19)  # UNKNOWN_FRAME
        with contextlib.suppress(*BAD):
            value = decode(body)  # later: a body without its shape is ENCODING
        if kind == TICK and self.state == "STREAMING":
            self.pay(value[0], value[1], least=self.k + 1)
            self.pump()
        elif kind == CANCEL and self.state == "STREAMING":
            self.pay(value[1], value[2])
            self.end(4, self.said[: value[0]])  # CANCELLED
        elif kind == COUNTERSIGN and self.state == "ENDED":
            check(Close(71), "countersign", self.peer.initiator, self.close, value[0])  # BAD_CLOSE
            self.state = "DONE"
            print("a receipt over", decode(self.close)[6], "micro-credits", flush=True)
        elif kind == ERROR:
            self.state = "DONE"
            self.peer._quic.send_stream_data(self.stream, b"", not self.close)
        elif kind not in (TICK, CREDIT, CANCEL):  # later: CREDIT counts
            raise Close(18)  # UNEXPECTED_FRAME

    def pay(self, k, link, least=0):
        """A link of the chain that pays for k ticks in all."""
        back = link
        for _ in range(k - self.k):
            back = name("tick", encode(back))
        if not max(least, self.k) <= k <= -(-self.open[7] // self.peer.quote[7]) or back != self.link:
            raise Refuse(70)  # BAD_TICK
        self.k, self.link = k, link

    def owed(self, tokens):
        return self.peer.quote[5] * self.input + self.peer.quote[6] * tokens

    def pump(self):
        """Send what may be sent. Later: credit, heartbeats, deadlines, and an end of each wait."""
        while self.state == "STREAMING":
            owed = self.owed(len(self.said) + 1)
            if any(stop in " ".join([*self.said, self.next]) for stop in self.stops):
                return self.end(1, self.said)  # STOP
            if len(self.said) == self.most or owed > self.open[7]:
                return self.end(2 if len(self.said) == self.most else 3, self.said)  # LENGTH, CEILING
            if owed > (self.k + self.peer.quote[9]) * self.peer.quote[7]:
                return None  # a TICK will come
            self.peer.send(self.stream, CHUNK, {0: " " * bool(self.said) + self.next, 1: 1})
            self.said.append(self.next)
            self.next = next(self.words)
        return None

    def end(self, finish, said):
        total, salt = self.owed(len(said)), os.urandom(32)
        if finish == 4:
            total = min(total, self.k * self.peer.quote[7])
        answer = name("response", encode(salt), encode({0: " ".join(said), 1: finish, 2: len(said)}))
        bill = {3: bytes(32), 4: self.input, 5: len(said), 6: total, 7: finish, 8: 0}
        close = signed("close", {0: self.name, 1: self.open[6], 2: answer} | bill)
        self.close, self.state = close[0], "ENDED"
        self.peer.send(self.stream, END, {0: salt, 1: close}, fin=True)


async def main(address):
    host, _, port = address.rpartition(":")
    key, who = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(datetime(2000, 1, 1, tzinfo=UTC)).not_valid_after(datetime(9999, 12, 31, tzinfo=UTC))
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=["mycellm/1"],
        certificate=made.sign(key, hashes.SHA256()),  # thrown away: HELLO alone says who this is
        private_key=key,
        secrets_log_file=SECRETS,
        verify_mode=ssl.CERT_NONE,
    )
    await serve(host, int(port), configuration=configuration, create_protocol=Peer)
    print(f"listening on {address}", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7420"))
