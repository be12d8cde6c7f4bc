"""A peer of the mycellm protocol in one file: it answers requests by saying their words again.

The worked example of README.md beside it: it stands alone, and passes the suite's smoke tier. What a whole peer does
beyond it is marked with "later". Start it with ``python3 peer.py HOST:PORT``.
"""

import asyncio
import functools
import hashlib
import io
import os
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

HELLO, MODELS, ERROR, REQUEST, ACCEPT, CHUNK, TICK, CREDIT, CANCEL, END, COUNTERSIGN, CALL, RESULT = range(0, 26, 2)
PRICE_IN, PRICE_OUT, TICK_VALUE, WINDOW = 1, 4, 8, 2  # of the quote, with one prepaid tick
LIMITS = {MODELS: 65_536, REQUEST: 1_048_576, CHUNK: 16_384, END: 4096, CALL: 66_560, RESULT: 66_560}
BAD = (ValueError, TypeError, KeyError, IndexError)


Close = type("Close", (Exception,), {})  # fail with a code: the connection is closed
Refuse = type("Refuse", (Exception,), {})  # refuse a request, or give it up, with a code
# 1. Encoding and frames. Later: cbor2 lets floats, tags and much depth pass; spec/vectors/v1/encoding.json knows all.


encode = functools.partial(cbor2.dumps, canonical=True)


def decode(data):
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
PUBLIC, DIRECT = KEY.public_key().public_bytes_raw(), name("network", encode({0: "direct"}))
OPENS = {}  # later: kept on the disk; (consumer, sequence) of every open that was admitted

# 3. The channel binding: the exporter of RFC 8446, section 7.5, at the one moment at which aioquic has it.


class Secrets(io.StringIO):
    def write(self, line):
        if line.startswith("SERVER_TRAFFIC_SECRET_0 "):
            schedule = self.peer._quic.tls.key_schedule
            empty = hashes.Hash(schedule.algorithm).finalize()
            secret = schedule.derive_secret(b"exp master")
            for label, size in ((b"EXPORTER-mycellm-channel-binding", len(empty)), (b"exporter", 32)):
                info = bytes((0, size, 6 + len(label))) + b"tls13 " + label + bytes((len(empty),)) + empty
                secret = HKDFExpand(schedule.algorithm, size, info).derive(secret)
            self.peer.binding = secret


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
        (buffer := self.buffers.setdefault(stream, bytearray())).extend(data)
        for kind, body in frames(buffer):
            if stream != 2:
                self.requests.setdefault(stream, Request(self, stream)).received(kind, body)
            elif kind != (MODELS if self.initiator else HELLO) and not (kind % 2 and self.initiator):
                raise Close(19 if kind % 2 or kind > RESULT else 18)  # UNKNOWN_FRAME, UNEXPECTED_FRAME
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
        checks = (
            (33, hello[0] == 0 and hello[2] == self.binding and hello[5] == sorted(set(hello[5]))),
            (34, hello[6] == PUBLIC != hello[1]),  # WRONG_PEER
            (33, hello[7] == self.own_hello),
            (32, hello[3] <= 1 <= hello[4]),  # VERSION_UNSUPPORTED
        )
        for code in (code for code, holds in checks if not holds):
            raise Close(code)
        self.initiator, self.pinned, self.chat = hello[1], hello[8], 1 in hello[5]
        terms = {5: PRICE_IN, 6: PRICE_OUT, 7: TICK_VALUE, 8: 1, 9: WINDOW, 10: int(time.time()) + 3600}
        offer = signed("quote", {0: PUBLIC, 1: DIRECT, 2: "echo", 3: bytes(32), 4: 4096} | terms)
        self.quote_name = name("quote", offer[0])
        self.send(3, MODELS, {0: [offer]})


# 5. A request: checks, ACCEPT, CHUNK as far as it is paid, END, COUNTERSIGN.


class Request:
    def __init__(self, peer, stream):
        self.peer, self.stream, self.state, self.said, self.close = peer, stream, "IDLE", 0, b""

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
            raise Refuse(49 if kind == CALL else 48)  # UNSUPPORTED (it offers no CALLS), UNKNOWN_REQUEST
        try:
            request = decode(body)
            content, (data, signature) = decode(request[0]), request[2]
            self.open, operation, whole = decode(data), content[0], {1, 2, 3, 4} <= set(content)
        except BAD:
            raise Refuse(50) from None  # MALFORMED
        checks = ((51, peer.pinned), (49, peer.chat and operation == 1), (50, whole))  # UNPINNED, UNSUPPORTED
        for code in (code for code, holds in checks if not holds):
            raise Refuse(code)
        if sorted(self.open) != list(range(9)) or self.open[1] != peer.initiator or self.open[2] != PUBLIC:
            raise Refuse(64)  # BAD_OPEN
        check(Refuse(64), "open", peer.initiator, data, signature)
        if self.open[5] != peer.quote_name:
            raise Refuse(65)  # UNKNOWN_QUOTE
        committed = name("request", encode(request[1]), request[0])
        if (self.open[0], content[1], self.open[6]) != (DIRECT, "echo", committed) or self.open[7] > TICK_VALUE << 16:
            raise Refuse(64)
        self.k, self.link = 0, self.open[8]
        self.pay(1, request[3])
        if (peer.initiator, self.open[3]) in OPENS:
            raise Refuse(67)  # SEQUENCE_USED
        self.name = OPENS[peer.initiator, self.open[3]] = name("open", data)
        self.input = sum(1 + len(message[1].split()) for message in content[2])
        if self.owed(1) > self.open[7]:
            raise Refuse(68)  # CEILING_TOO_LOW; later: with limit and actual
        answer = content[2][-1][1]
        stops = [at for stop in content.get(5, []) if (at := answer.find(stop)) >= 0]
        self.words, self.most = answer[: min(stops, default=None)].split(" "), content[3]
        self.state = "STREAMING"
        peer.send(self.stream, ACCEPT, {0: self.input})
        self.pump()

    def later(self, kind, body):
        value = decode(body) if kind <= RESULT else {}  # later: a body without its shape is ENCODING
        if kind == TICK and self.state == "STREAMING":
            self.pay(value[0], value[1], least=self.k + 1)
            self.pump()
        elif kind == CANCEL and self.state == "STREAMING":
            self.pay(value[1], value[2])
            self.end(4, value[0])  # CANCELLED
        elif kind == COUNTERSIGN and self.state == "ENDED":
            check(Close(71), "countersign", self.peer.initiator, self.close, value[0])  # BAD_CLOSE
            self.state = "DONE"  # later: keep the receipt
        elif kind not in (TICK, CREDIT, CANCEL):  # later: CREDIT counts, and ERROR of a consumer ends it
            raise Close(19 if kind > RESULT else 18)  # UNKNOWN_FRAME, UNEXPECTED_FRAME

    def pay(self, k, link, least=0):
        back = link
        for _ in range(k - self.k):
            back = name("tick", encode(back))
        if not max(least, self.k) <= k <= -(-self.open[7] // TICK_VALUE) or back != self.link:
            raise Refuse(70)  # BAD_TICK
        self.k, self.link = k, link

    def owed(self, tokens):
        return PRICE_IN * self.input + PRICE_OUT * tokens

    def pump(self):
        """Send what may be sent. Later: credit, heartbeats, deadlines, and an end of each wait."""
        while self.state == "STREAMING":
            said, owed = self.said, self.owed(self.said + 1)
            if said == min(self.most, len(self.words)) or owed > self.open[7]:
                self.end(1 if said == len(self.words) else 2 if said == self.most else 3, said)  # STOP, LENGTH, CEILING
            elif owed > (self.k + WINDOW) * TICK_VALUE:
                return  # a TICK will come
            else:
                self.peer.send(self.stream, CHUNK, {0: " " * bool(said) + self.words[said], 1: 1})
                self.said += 1

    def end(self, finish, said):
        total, salt = min(self.owed(said), self.k * TICK_VALUE if finish == 4 else 2**53), os.urandom(32)
        answer = encode({0: " ".join(self.words[:said]), 1: finish, 2: said})
        parties = {0: self.name, 1: self.open[6], 2: name("response", encode(salt), answer), 3: bytes(32)}
        close = signed("close", parties | {4: self.input, 5: said, 6: total, 7: finish, 8: 0})
        self.close, self.state = close[0], "ENDED"
        self.peer.send(self.stream, END, {0: salt, 1: close}, fin=True)


async def main(address):
    host, _, port = address.rpartition(":")
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, datetime(2000, 1, 1), datetime(9999, 12, 31))
    made = made.sign(key, hashes.SHA256())  # thrown away: HELLO alone says who this is
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["mycellm/1"], certificate=made, private_key=key, secrets_log_file=SECRETS
    )
    await serve(host, int(port), configuration=configuration, create_protocol=Peer)
    print(f"listening on {address}", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7420"))
