"""One request of the suite: an honest consumer, step by step, with a place for a fault in each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance import dcbor, framing, shapes, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.offer import Quote, chain
from conformance.signing import Key
from conformance.wire.link import DEADLINE

from .initiator import Initiator
from .side import Frame, UnreadableError, readable

if TYPE_CHECKING:
    from .faults import Fault

PROMPT = "Tell me a long story about a lighthouse keeper and the sea."
"""Of what every model says much."""
_DEADLINE_MS = 60_000


@dataclass(kw_only=True)
class Draft:
    """A REQUEST that is being made, layer by layer. `Edits` change one layer; those above it are made honestly."""

    quote: Quote
    key: Key
    content: dict[int, Item]
    encoded: bytes = b""
    salt: bytes = b""
    opened: dict[int, Item] = field(default_factory=dict)
    signed: list[bytes] = field(default_factory=list)
    request: dict[int, Item] = field(default_factory=dict)
    body: bytes = b""
    kind: int = framing.REQUEST
    links: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> bytes:
        """The name of the open."""
        return signing.name(signing.OPEN, self.signed[0])


Edit = Callable[[Draft], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What a fault does to a draft: each is called once its layer is made."""

    content: Edit | None = None
    encoded: Edit | None = None
    opened: Edit | None = None
    signed: Edit | None = None
    request: Edit | None = None
    body: Edit | None = None


HONEST = Edits()


class Asking:
    """One request stream."""

    def __init__(self, side: Initiator, quote: Quote) -> None:
        self.side = side
        self.quote = quote
        self.stream = -1
        self.draft: Draft | None = None
        self.links: list[bytes] = []
        self.ceiling = 0
        self.k = quote.prepaid_ticks
        self.input_tokens: int | None = None
        self.chunks: list[tuple[str, int]] = []
        self.received = 0
        """Bytes of CHUNK frames."""
        self.credit = limit("INITIAL_CREDIT")
        self.close: dict[int, Item] | None = None
        self.close_body = b""
        """The bytes of the close that were signed."""

    # Making the request

    def content(self, *, max_tokens: int = 8, prompt: str = PROMPT, **parameters: Item) -> dict[int, Item]:
        """An honest chat-request; ``parameters`` are k5 to k12 by their keys."""
        body: dict[int, Item] = {
            0: 1,
            1: self.quote.model,
            2: [{0: 2, 1: prompt}],
            3: max_tokens,
            4: _DEADLINE_MS,
            6: 0,
        }
        return body | {int(key.removeprefix("k")): value for key, value in parameters.items()}

    def compose(
        self,
        content: dict[int, Item] | None = None,
        *,
        ceiling: int | None = None,
        sequence: int | None = None,
        previous: bytes | None = None,
        edits: Edits = HONEST,
    ) -> Draft:
        """Build a REQUEST, layer by layer. The default ceiling pays for ``max_tokens`` and a long prompt."""
        session = self.side.session
        draft = Draft(quote=self.quote, key=session.key, content=content or self.content())
        _apply(edits.content, draft)
        draft.encoded = dcbor.encode(draft.content)
        _apply(edits.encoded, draft)
        draft.salt = session.entropy.take(32)
        self.ceiling = self._enough(draft) if ceiling is None else ceiling
        draft.links = chain(session.entropy.take(32), self.quote.most_ticks(self.ceiling))
        draft.opened = {
            0: self.quote.network,
            1: session.key.public,
            2: self.quote.provider,
            3: session.sequence() if sequence is None else sequence,
            4: previous,
            5: self.quote.name,
            6: signing.name(signing.REQUEST, dcbor.encode(draft.salt), draft.encoded),
            7: self.ceiling,
            8: draft.links[0],
        }
        _apply(edits.opened, draft)
        draft.signed = draft.key.signed(signing.OPEN, draft.opened)
        _apply(edits.signed, draft)
        prepaid = draft.links[min(self.quote.prepaid_ticks, len(draft.links) - 1)]
        draft.request = {0: draft.encoded, 1: draft.salt, 2: draft.signed, 3: prepaid}
        _apply(edits.request, draft)
        draft.body = dcbor.encode(self._with_reserved(draft.request) if edits is HONEST else draft.request)
        _apply(edits.body, draft)
        self.draft, self.links = draft, draft.links
        return draft

    def send(self, draft: Draft, *, fault: Fault | None = None, reserved: bool = True) -> None:
        """Open the stream with the request, behind which frames of reserved types may come."""
        if fault is not None:
            self.side.commits(fault)
        self.stream = self.side.open_stream()
        self.side.link.write(self.stream, framing.write_frame(draft.kind, draft.body))
        if reserved and fault is None:
            self._reserved_frames()

    def ask(self, content: dict[int, Item] | None = None, **options: Any) -> None:
        """Compose honestly and send."""
        self.send(self.compose(content, **options))

    # Reading the answer

    async def accept(self, within: float = DEADLINE) -> int:
        """ACCEPT; the input tokens."""
        frame = await self.next(within)
        if frame.kind != framing.ACCEPT:
            raise UnreadableError("ACCEPT was expected")
        self.input_tokens = int(frame.value[0])
        return self.input_tokens

    async def next(self, within: float = DEADLINE) -> Frame:
        """The next frame: a CHUNK is counted, and a close read. Raises `UnreadableError` where it has not its shape."""
        frame = await self.side.frame(self.stream, "a frame of the answer", within)
        if frame.kind == framing.CHUNK:
            self.chunks.append((frame.value[0], frame.value[1]))
            self.received += len(framing.write_frame(frame.kind, frame.body))
        if frame.kind == framing.END:
            self.close_body = frame.value[1][0]
            close = readable(self.close_body)
            self.close = close if shapes.broken("close-body", close) is None else None
        return frame

    async def chunk(self, within: float = DEADLINE) -> Frame:
        """The next CHUNK. Raises `UnreadableError` for anything else."""
        frame = await self.next(within)
        if frame.kind != framing.CHUNK:
            raise UnreadableError("CHUNK was expected")
        return frame

    # Paying and ending

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return sum(count for _, count in self.chunks)

    @property
    def due(self) -> int:
        """K of SPEC.md for what has come (RCP-018)."""
        return self.quote.ticks(self.quote.owed(self.input_tokens or 0, self.tokens), self.ceiling)

    def pay(self, k: int | None = None) -> None:
        """Release ticks up to ``k``, or to what is due; nothing where that is paid already."""
        k = self.due if k is None else k
        if k > self.k:
            self.k = k
            self.write(framing.TICK, {0: k, 1: self.links[k]})

    def give_credit(self) -> None:
        """Raise the limit once half of it is used."""
        half = limit("INITIAL_CREDIT") // 2
        if self.credit - self.received < half:
            self.credit = self.received + 2 * half
            self.write(framing.CREDIT, {0: self.credit})

    async def finish(self, within: float = DEADLINE) -> Frame:
        """Pay, read and agree until END or ERROR; that frame. An ACCEPT that has not come is waited for."""
        return self.settle(await self.answer(within))

    async def answer(self, within: float = DEADLINE) -> Frame:
        """Pay and read until END or ERROR; that frame, to which nothing is said."""
        if self.input_tokens is None:
            first = await self.next(within)
            if first.kind != framing.ACCEPT:
                return first
            self.input_tokens = first.value[0]
        while True:
            self.pay()
            frame = await self.next(within)
            if frame.kind != framing.CHUNK:
                return frame
            self.give_credit()

    async def until_end(self, within: float = DEADLINE) -> bytes:
        """Pay and read until END; the signature that agrees to it, which is not sent.

        Raises `UnreadableError` where no END comes to which anybody could agree.
        """
        frame = await self.answer(within)
        if frame.kind != framing.END or self.close is None:
            raise UnreadableError("END was expected")
        return self.agreement()

    async def last(self, within: float = DEADLINE) -> Frame:
        """Read over text until any other frame, and pay nothing; that frame.

        It has to come ``within`` seconds of the last text: heartbeats do not count.
        """
        now = asyncio.get_running_loop().time
        until = now() + within
        while (frame := await self.next(max(until - now(), 0.0))).kind == framing.CHUNK:
            if any(self.chunks[-1]):
                until = now() + within
        return frame

    def settle(self, frame: Frame) -> Frame:
        """Agree to END; end this side behind ERROR."""
        if frame.kind == framing.END and self.close is not None:
            self.countersign()
        elif frame.kind == framing.ERROR:
            self.side.link.write(self.stream, b"", fin=True)
        return frame

    def cancel(self, chunks: int | None = None) -> None:
        """CANCEL what has come, or another number of chunks, with the last released tick."""
        taken = len(self.chunks) if chunks is None else chunks
        self.write(framing.CANCEL, {0: taken, 1: self.k, 2: self.links[self.k]})

    def countersign(self) -> None:
        """COUNTERSIGN, and the end of this side."""
        self.write(framing.COUNTERSIGN, {0: self.agreement()}, fin=True)

    def agreement(self) -> bytes:
        """The signature of COUNTERSIGN."""
        return self.side.session.key.sign(signing.COUNTERSIGN, self.close_body)

    def write(self, kind: int, body: Item, *, fin: bool = False) -> None:
        """Any frame on this stream."""
        self.side.link.write(self.stream, framing.frame(kind, body), fin)

    # Reserved values

    def _with_reserved(self, body: dict[int, Item]) -> dict[int, Item]:
        entropy = self.side.session.entropy
        return {**body, entropy.reserved(): entropy.below(3)} if entropy.below(2) else body

    def _reserved_frames(self) -> None:
        entropy = self.side.session.entropy
        for _ in range(entropy.below(3)):
            kind = entropy.reserved()
            self.side.link.write(self.stream, framing.write_frame(kind, entropy.take(entropy.below(9))))

    def _enough(self, draft: Draft) -> int:
        tokens: Any = draft.content.get(3, 8)
        prompt = 512 + len(draft.encoded)
        owed = self.quote.owed(min(prompt, self.quote.context_length), tokens if isinstance(tokens, int) else 8)
        least = self.quote.prepaid_ticks * self.quote.tick_value
        return max(least, min(owed, limit("MAX_TICKS") * self.quote.tick_value))


def _apply(edit: Edit | None, draft: Draft) -> None:
    if edit is not None:
        edit(draft)
