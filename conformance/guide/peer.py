"""A peer of the mycellm protocol in one file: a responder and provider that serves a model which says your words again.

It is the worked example of README.md beside it, and it is no part of the suite: it imports nothing of this project, and
you may begin with a copy. It passes the suite's smoke tier; what it leaves out is said where it is left out.

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
from datetime import datetime

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

# --- 1. Encoding. cbor2 lets floats, tags and deep nesting pass; `spec/vectors/v1/encoding.json` shows what more is due.


def encode(value):
    return cbor2.dumps(value, canonical=True)


def decode(data):
    """The one item that fills ``data``: encoding it again has to give the same bytes."""
    value = cbor2.loads(data)
    if encode(value) != data:
        raise ValueError("not deterministic")
    return value


# --- 2. Frames: length, type, body.

HELLO, MODELS, ERROR, REQUEST, ACCEPT, CHUNK, TICK, CREDIT, CANCEL, END, COUNTERSIGN = range(0, 22, 2)
LIMITS = {MODELS: 65_536, REQUEST: 1_048_576, CHUNK: 16_384, END: 4096}


def varint(number):
    exponent = next(e for e, bits in enumerate((6, 14, 30, 62)) if number < 1 << bits)
    return (number | exponent << (8 * (1 << exponent) - 2)).to_bytes(1 << exponent, "big")


def frame(kind, body):
    data = encode(body)
    return varint(len(data)) + varint(kind) + data


def frames(buffer):
    """Take whole frames off a bytearray."""
    while True:
        at, numbers = 0, []
        while len(numbers) < 2 and at < len(buffer) and at + (size := 1 << (buffer[at] >> 6)) <= len(buffer):
            number = int.from_bytes(buffer[at : at + size], "big") & (1 << 8 * size - 2) - 1
            if varint(number) != buffer[at : at + size]:
                raise Close(16)  # ENCODING
            numbers.append(number)
            at += size
        if len(numbers) == 2 and numbers[0] > LIMITS.get(numbers[1], 1024):
            raise Close(17)  # FRAME_TOO_LARGE
        if len(numbers) < 2 or len(buffer) - at < numbers[0]:
            return
        body = bytes(buffer[at : at + numbers[0]])
        del buffer[: at + numbers[0]]
        yield numbers[1], body


class Close(Exception):
    """Fail with a code: the connection is closed."""


class Refuse(Exception):
    """Refuse a request with a code."""


# --- 3. Signatures. KEY-002 asks for more than this library does; see "Signatures" in SPEC.md before you go live.


def preimage(context, *encoded):
    return bytes((0x81 + len(encoded),)) + encode(f"mycellm/{context}/v1") + b"".join(encoded)


def name(context, *encoded):
    return hashlib.sha256(preimage(context, *encoded)).digest()


def signed(key, context, body):
    data = encode(body)
    return [data, key.sign(preimage(context, data))]


def is_signed(public, context, data, signature):
    with contextlib.suppress(InvalidSignature, ValueError):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, preimage(context, data))
        return True
    return False


DIRECT = name("network", encode({0: "direct"}))

# --- 4. The channel binding: the exporter of RFC 8446, section 7.5, at the one moment at which aioquic has it.


def expand(algorithm, secret, label, context, size):
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    return HKDFExpand(algorithm, size, info).derive(secret)


class Secrets:
    current = None

    def write(self, line):
        if line.startswith("SERVER_TRAFFIC_SECRET_0 "):
            schedule = self.current._quic.tls.key_schedule
            nothing = hashes.Hash(schedule.algorithm)
            empty = nothing.finalize()
            master = schedule.derive_secret(b"exp master")
            secret = expand(schedule.algorithm, master, b"EXPORTER-mycellm-channel-binding", empty, len(empty))
            self.current.binding = expand(schedule.algorithm, secret, b"exporter", empty, 32)

    def flush(self):
        pass


SECRETS = Secrets()
KEY = Ed25519PrivateKey.generate()  # a real node keeps its key
PUBLIC = KEY.public_key().public_bytes_raw()
OPENS = {}  # a real node keeps them on the disk: (network, consumer) -> {sequence: name}


# --- 5. A connection: HELLO, MODELS, and a request on each stream 0, 4, 8 …


class Peer(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.binding = self.initiator = self.own_hello = None
        self.pinned = False
        self.buffers, self.requests, self.quotes = {}, {}, {}

    def datagram_received(self, data, addr):
        SECRETS.current = self
        super().datagram_received(data, addr)

    def quic_event_received(self, event):
        try:
            if isinstance(event, ProtocolNegotiated):
                self.greet()
            elif isinstance(event, StreamDataReceived):
                self.data(event.stream_id, event.data, event.end_stream)
        except Close as error:
            self.close(error.args[0])

    def send(self, stream, kind, body, fin=False):
        self._quic.send_stream_data(stream, frame(kind, body), fin)
        self.transmit()

    def greet(self):
        """In the first flight, before anything is known of the initiator (HSK-003)."""
        hello = signed(KEY, "hello", {0: 1, 1: PUBLIC, 2: self.binding, 3: 1, 4: 1, 5: [1]})
        self.own_hello = name("hello", hello[0])
        self.send(3, HELLO, hello)
        asyncio.get_running_loop().call_later(10, lambda: self.initiator or self.close(23))  # TIMEOUT

    def data(self, stream, data, fin):
        buffer = self.buffers.setdefault(stream, bytearray())
        buffer += data
        if stream != 2 and (self.initiator is None or stream % 4):
            raise Close(33 if self.initiator is None else 20)  # HANDSHAKE_FAILED, STREAM_MISUSE
        for kind, body in frames(buffer):
            if stream == 2:
                self.control(kind, body)
            else:
                self.request(stream, kind, body)
        if fin and stream == 2:
            raise Close(20)
        if fin and (request := self.requests.get(stream)) and not request.over:
            request.over = True
            self._quic.send_stream_data(stream, b"", True)

    def control(self, kind, body):
        unknown = kind % 2 or kind > COUNTERSIGN
        if self.initiator is not None:
            if unknown and kind % 2 == 0:
                raise Close(19)  # UNKNOWN_FRAME
            if not unknown and kind != MODELS:
                raise Close(18)  # UNEXPECTED_FRAME
            return  # it serves nobody from here, and so needs no MODELS of others
        if kind != HELLO:
            raise Close(19 if unknown else 18)
        self.verify(body)
        expires = int(time.time()) + 3600
        quote = {0: PUBLIC, 1: DIRECT, 2: "echo", 3: bytes(32), 4: 4096, 5: 1, 6: 4, 7: 8, 8: 1, 9: 2, 10: expires}
        offer = signed(KEY, "quote", quote)
        self.quotes[name("quote", offer[0])] = quote
        self.send(3, MODELS, {0: [offer]})

    def verify(self, body):
        """Checks a to j of "Handshake"; the first that fails gives the code."""
        try:
            data, signature = decode(body)
            hello = decode(data)
            assert isinstance(signature, bytes) and len(signature) == 64
        except Exception:
            raise Close(16) from None  # ENCODING
        lengths = {1: 32, 2: 32, 6: 32, 7: 32}
        shape = (
            isinstance(hello, dict)
            and sorted(hello) == list(range(9))
            and all(isinstance(hello[k], bytes) and len(hello[k]) == size for k, size in lengths.items())
        )
        if not shape or not is_signed(hello[1], "hello", data, signature):
            raise Close(33)
        if hello[0] != 0 or hello[2] != self.binding or hello[5] != sorted(set(hello[5])):
            raise Close(33)
        if hello[6] != PUBLIC or hello[1] == PUBLIC:
            raise Close(34)  # WRONG_PEER
        if hello[7] != self.own_hello:
            raise Close(33)
        if min(1, hello[4]) < max(1, hello[3]):
            raise Close(32)  # VERSION_UNSUPPORTED
        self.initiator, self.pinned, self.agreed = hello[1], hello[8], 1 in hello[5]

    def request(self, stream, kind, body):
        if stream in self.requests:
            self.requests[stream].received(kind, body)
            return
        request = self.requests[stream] = Request(self, stream)
        try:
            request.begin(kind, body)
        except Refuse as error:
            request.error(error.args[0])


# --- 6. A request: checks, ACCEPT, CHUNKs as far as they are paid, END, COUNTERSIGN.


class Request:
    def __init__(self, peer, stream):
        self.peer, self.stream, self.over, self.close = peer, stream, False, None
        self.texts, self.cancelled = [], None

    def begin(self, kind, body):
        """Checks c to o of "Inference exchange", those that a first version needs."""
        peer = self.peer
        if kind != REQUEST:
            raise Refuse(48)  # UNKNOWN_REQUEST
        try:
            request = decode(body)
            content, (opened, signature) = decode(request[0]), request[2]
            self.open, prepaid = decode(opened), request[3]
            operation = content[0]
        except Exception:
            raise Refuse(50) from None  # MALFORMED
        if not peer.pinned:
            raise Refuse(51)  # UNPINNED
        if not peer.agreed or operation != 1:
            raise Refuse(49)  # UNSUPPORTED
        if not {1, 2, 3, 4} <= set(content):
            raise Refuse(50)
        if sorted(self.open) != list(range(9)) or self.open[1] != peer.initiator or self.open[2] != PUBLIC:
            raise Refuse(64)  # BAD_OPEN
        if not is_signed(peer.initiator, "open", opened, signature):
            raise Refuse(64)
        if self.open[5] not in peer.quotes:
            raise Refuse(65)  # UNKNOWN_QUOTE
        self.quote, self.name = peer.quotes[self.open[5]], name("open", opened)
        committed = name("request", encode(request[1]), request[0])
        if (self.open[0], self.open[6], content[1]) != (DIRECT, committed, "echo"):
            raise Refuse(64)
        self.k, self.link = 0, self.open[8]
        self.pay(self.quote[8], prepaid)
        known = OPENS.setdefault((DIRECT, peer.initiator), {})
        if self.open[3] in known:
            raise Refuse(67)  # SEQUENCE_USED
        known[self.open[3]] = self.name
        prompt = content[2][-1][1]
        self.input = sum(1 + len(message[1].split()) for message in content[2])
        if self.owed(1) > self.open[7]:
            raise Refuse(68)  # CEILING_TOO_LOW; a whole peer says limit and actual too
        self.most, self.stops = content[3], content.get(5, [])
        self.words = itertools.cycle((prompt or "nothing").split(" "))
        self.waiting = next(self.words)
        self.send(ACCEPT, {0: self.input})
        self.pump()

    def received(self, kind, body):
        if self.over or kind % 2:
            return  # discarded, or ignored: it's OK to be odd
        if kind > COUNTERSIGN:
            raise Close(19)
        try:
            value = decode(body)
        except Exception:
            raise Close(16) from None
        try:
            if kind == TICK and self.close is None:
                self.pay(value[0], value[1], least=self.k + 1)
                self.pump()
            elif kind == CANCEL and self.close is None:
                self.cancelled = value[0]
                self.pay(value[1], value[2])
                self.end(4)  # CANCELLED
            elif kind == COUNTERSIGN and self.close is not None:
                self.over = True
                if not is_signed(self.peer.initiator, "countersign", self.close, value[0]):
                    raise Close(71)  # BAD_CLOSE
                print(f"a receipt over {decode(self.close)[6]} micro-credits", flush=True)
            elif kind == ERROR:
                self.over = True
                self.peer._quic.send_stream_data(self.stream, b"", self.close is None)
            elif kind not in (TICK, CREDIT, CANCEL):
                raise Close(18)  # UNEXPECTED_FRAME
        except Refuse as error:
            self.error(error.args[0])

    def pay(self, k, link, least=0):
        """A link of the chain that pays for k ticks in all."""
        if not max(least, self.k) <= k <= -(-self.open[7] // self.quote[7]):
            raise Refuse(70)  # BAD_TICK
        back = link
        for _ in range(k - self.k):
            back = name("tick", encode(back))
        if back != self.link:
            raise Refuse(70)
        self.k, self.link = k, link

    def owed(self, tokens):
        return self.quote[5] * self.input + self.quote[6] * tokens

    def pump(self):
        """Send what payment allows. A whole peer counts credit too, sends heartbeats, and gives up in the end."""
        while self.close is None:
            answer = " ".join([*self.texts, self.waiting])
            if any(stop in answer for stop in self.stops):
                return self.end(1)  # STOP
            if len(self.texts) == self.most or self.owed(len(self.texts) + 1) > self.open[7]:
                return self.end(2 if len(self.texts) == self.most else 3)  # LENGTH, CEILING
            if self.owed(len(self.texts) + 1) > (self.k + self.quote[9]) * self.quote[7]:
                return None  # a TICK will come
            self.send(CHUNK, {0: (" " if self.texts else "") + self.waiting, 1: 1})
            self.texts.append(self.waiting)
            self.waiting = next(self.words)
        return None

    def end(self, finish):
        salt, texts = os.urandom(32), self.texts[: self.cancelled]
        total = self.owed(len(texts))
        if finish == 4:
            total = min(total, self.k * self.quote[7])
        answer = encode({0: " ".join(texts), 1: finish, 2: len(texts)})
        response = name("response", encode(salt), answer)
        bill = {0: self.name, 1: self.open[6], 2: response, 3: self.quote[3], 4: self.input, 5: len(texts)}
        close = signed(KEY, "close", bill | {6: total, 7: finish, 8: 0})
        self.close = close[0]
        self.send(END, {0: salt, 1: close}, fin=True)

    def error(self, code):
        self.over = True
        self.send(ERROR, {0: code}, fin=True)

    def send(self, kind, body, fin=False):
        self.peer.send(self.stream, kind, body, fin)


# --- 7. Listening. The certificate is thrown away; HELLO alone says who this is.


def certificate():
    key, who = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(datetime(2000, 1, 1))
    return builder.not_valid_after(datetime(9999, 12, 31)).sign(key, hashes.SHA256()), key


async def main(address):
    host, _, port = address.rpartition(":")
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["mycellm/1"], secrets_log_file=SECRETS, verify_mode=ssl.CERT_NONE
    )
    configuration.certificate, configuration.private_key = certificate()
    await serve(host, int(port), configuration=configuration, create_protocol=Peer)
    print(f"listening on {address} as {PUBLIC.hex()}", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7420"))
