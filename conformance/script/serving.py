"""One request of the target's: an honest provider, step by step, with a place for a fault in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from conformance import answers, dcbor, framing, shapes, signing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.finish import CANCELLED, LENGTH, STOP
from conformance.offer import Quote, leads_to
from conformance.wire.link import DEADLINE

from .responder import Responder
from .side import Frame, UnreadableError, readable

if TYPE_CHECKING:
    from .faults import Fault

INPUT_TOKENS = 20
WORD = "wave "
"""What the suite says as a model, a token."""

Edit = Callable[[dict[int, Item]], dict[int, Item]]
"""Changes a body before it is signed."""


class Serving:
    """One request stream, of which the suite is the provider."""

    def __init__(self, side: Responder, stream: int, request: dict[int, Item]) -> None:
        self.side = side
        self.stream = stream
        self.content: dict[int, Item] = readable(request[0])
        body, _ = request[2]
        self.opened: dict[int, Item] = readable(body)
        self.open_name = signing.name(signing.OPEN, body)
        self.quote = next(
            Quote.read(each) for each, _ in side.offered if signing.name(signing.QUOTE, each) == self.opened[5]
        )
        self.k = self.quote.prepaid_ticks
        self.link: bytes = request[3]
        self.input_tokens: int | None = None
        self.chunks: list[tuple[str, int]] = []
        self.pieces: list[dict[int, Item]] = []
        self.sent = 0
        """Bytes of CHUNK frames."""
        self.credit = limit("INITIAL_CREDIT")
        self.cancelled: dict[int, Item] | None = None
        self.given_up: dict[int, Item] | None = None
        self.countersignature: bytes | None = None
        self._close = b""

    @classmethod
    async def next(cls, side: Responder, within: float = DEADLINE) -> Serving:
        """The target's next request. Raises `UnreadableError` for one that no provider could answer."""
        stream = side.next_request
        side.next_request += 4
        request = await side.expect(stream, framing.REQUEST, within)
        if shapes.broken("request", request) is not None:
            raise UnreadableError("REQUEST has no shape")
        rules = {"chat-request": request[0], "open-body": request[2][0]}
        if any(shapes.broken(rule, readable(body)) is not None for rule, body in rules.items()):
            raise UnreadableError("content or open has no shape")
        if not any(signing.name(signing.QUOTE, body) == readable(request[2][0])[5] for body, _ in side.offered):
            raise UnreadableError("the open names no quote of the newest MODELS")
        return cls(side, stream, request)

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return sum(count for _, count in self.chunks)

    # What comes

    async def take(self, within: float = DEADLINE) -> Frame:
        """The next frame of the consumer's; what it means is kept. Raises as `Side.frame` does."""
        frame = await self.side.frame(self.stream, "a frame of the consumer", within)
        value = frame.value if isinstance(frame.value, dict) else {}
        if frame.kind in (framing.TICK, framing.CANCEL):
            at = 0 if frame.kind == framing.TICK else 1
            k, link = value.get(at), value.get(at + 1, b"")
            if not isinstance(k, int) or k < self.k or not leads_to(link, k - self.k, self.link):
                raise UnreadableError("a tick that is not of the chain")
            self.k, self.link = k, link
            self.cancelled = value if frame.kind == framing.CANCEL else self.cancelled
        elif frame.kind == framing.CREDIT:
            self.credit = value.get(0, self.credit)
        elif frame.kind == framing.ERROR:
            self.given_up = value
        elif frame.kind == framing.COUNTERSIGN:
            self.countersignature = value.get(0)
        return frame

    async def until_cancelled(self, within: float = DEADLINE) -> None:
        """Take what comes until CANCEL or ERROR."""
        while self.cancelled is None and self.given_up is None:
            await self.take(within)

    async def until_over(self, within: float = DEADLINE) -> None:
        """Take what comes until COUNTERSIGN or ERROR."""
        while self.countersignature is None and self.given_up is None:
            await self.take(within)

    # What goes

    def accept(self, tokens: int = INPUT_TOKENS) -> None:
        """ACCEPT."""
        self.input_tokens = tokens
        self.write(framing.ACCEPT, {0: tokens, **self._reserved()})

    async def paid(self) -> None:
        """Wait until the window has room for one token more, and the credit for its CHUNK."""
        quote = self.quote
        while quote.owed(self.input_tokens or 0, self.tokens + 1) > (self.k + quote.window) * quote.tick_value or (
            self.sent + 64 > self.credit
        ):
            await self.take()

    def chunk(self, text: str = WORD, tokens: int = 1) -> None:
        """CHUNK, whether or not it is paid."""
        self.piece({0: text, 1: tokens})

    def piece(self, body: dict[int, Item]) -> None:
        """CHUNK of any part, whether or not it is paid."""
        self.chunks.append((body[0], body[1]))
        self.pieces.append(body)
        self.sent += framing.size(framing.CHUNK, body)
        self.write(framing.CHUNK, body)

    async def say(self, tokens: int) -> None:
        """So many CHUNK frames of one token, each once it is paid."""
        for _ in range(tokens):
            await self.paid()
            self.chunk()

    async def begin(self, tokens: int = 4) -> None:
        """ACCEPT, and some of the answer."""
        self.accept()
        await self.say(tokens)

    async def finish(self, tokens: int = 8) -> None:
        """The rest of an honest answer of so many tokens, and its END; the receipt is agreed, or not."""
        if self.input_tokens is None:
            self.accept()
        await self.say(tokens - self.tokens)
        self.end(LENGTH if tokens == self.content[3] else STOP)
        await self.until_over()

    def end(
        self, finish: int = STOP, *, edit: Edit = lambda body: body, salt: bytes | None = None, signed: bool = True
    ) -> None:
        """END with the close of what was sent; ``salt`` is what END says, the close's is always honest."""
        real = self.side.session.entropy.take(32)
        body = edit(self.bill(finish, real))
        encoded = dcbor.encode(body)
        signature = self.side.session.key.sign(signing.CLOSE, encoded) if signed else bytes(64)
        self._close = encoded
        self.write(framing.END, {0: salt or real, 1: [encoded, signature], **self._reserved()}, fin=True)

    def bill(self, finish: int, salt: bytes) -> dict[int, Item]:
        """The body of an honest close."""
        billed = self.pieces
        if finish == CANCELLED and self.cancelled is not None:
            billed = self.pieces[: self.cancelled[0]]
        answer = answers.answer_of(billed, finish)
        tokens = answer[2]
        total = self.quote.owed(self.input_tokens or 0, tokens)
        if finish == CANCELLED:
            total = min(total, self.k * self.quote.tick_value)
        return {
            0: self.open_name,
            1: self.opened[6],
            2: signing.name(signing.RESPONSE, dcbor.encode(salt), dcbor.encode(answer)),
            3: self.quote.model_digest,
            4: self.input_tokens or 0,
            5: tokens,
            6: total,
            7: finish,
            8: 0,
        }

    def error(self, code: str | int) -> None:
        """ERROR, by name or by number, and the end of this side."""
        self.write(framing.ERROR, {0: error_code(code) if isinstance(code, str) else code}, fin=True)

    def write(self, kind: int, body: Item, *, fin: bool = False) -> None:
        """Any frame on this stream."""
        self.side.link.write(self.stream, framing.write_frame(kind, dcbor.encode(body)), fin)

    def commits(self, fault: Fault) -> None:
        """Note that what follows on this stream breaks a rule."""
        self.side.commits(fault)

    def _reserved(self) -> dict[int, Item]:
        entropy = self.side.session.entropy
        return {entropy.reserved(): None} if entropy.below(2) else {}
