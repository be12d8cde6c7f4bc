"""Families of what is asked, authorised and paid: content, quote, open, commitments, ticks."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from conformance import answers
from conformance.answers import CAPABILITIES, CHAT, CONTENTS
from conformance.dcbor import Item, NotDeterministicError
from conformance.signing import DIRECT

from .outcome import Case, Json, Outcome, accept, joined, reject, valued
from .rules import Check, Rules
from .shown import shown

_SKEW = 120
_MOST_TICKS = 65_536
_QUOTE = (
    "provider", "network", "model", "model_digest", "context_length", "price_in", "price_out", "tick_value",
    "prepaid_ticks", "window", "expires",
)  # fmt: skip


class Payment(Rules):
    """SPEC.md, "Inference exchange", and "Receipts" up to the first chunk."""

    def content(self, case: Case) -> Outcome:
        """The content of a REQUEST."""
        data = joined(case["hex"])
        code = self.judge_content(data)
        if code is not None:
            return reject(code=code)
        return accept(request=shown(self.decode(data)))

    def judge_content(self, data: bytes, capabilities: Collection[int] = tuple(CAPABILITIES.values())) -> str | None:
        """The code with which content is refused; None where it is not."""
        try:
            value = self.decode(data)
        except NotDeterministicError:
            return "MALFORMED"
        operation = answers.operation_of(value)
        rule = CONTENTS.get(CHAT if operation is None else operation, CONTENTS[CHAT])
        needed = CAPABILITIES.get(operation or 0)
        has_shape = self.broken(rule, value) is None
        return self.refusal(
            Check("INF-005", operation is None or operation in CONTENTS, "UNSUPPORTED"),
            Check("VER-004", needed is None or needed in capabilities, "UNSUPPORTED"),
            Check("INF-004", has_shape, "MALFORMED"),
            Check("INF-034", not has_shape or answers.is_consistent(value), "MALFORMED"),
        )

    def answer(self, case: Case) -> Outcome:
        """CHUNK frames and the reason of END, as the consumer takes them or gives up."""
        reading = answers.Reading(self.decode(bytes.fromhex(case["content"])))
        chunks = [self.decode(bytes.fromhex(each)) for each in case["chunks"]]
        checks = [check for chunk in chunks for check in reading.take(chunk)]
        checks += reading.end(case["finish"])
        code = self.refusal(*(Check(requirement, not broken, "BAD_ANSWER") for requirement, broken in checks))
        if code is not None:
            return reject(code=code)
        answer = self.encode(self.answer_of(chunks, case["finish"]))
        response = self.name("mycellm/response/v1", self.encode(bytes.fromhex(case["salt"])), answer)
        return accept(answer=answer.hex(), response=response.hex())

    def answer_of(self, chunks: list[Item], finish: int) -> Item:
        """What the commitment is over (RCP-007)."""
        return answers.answer_of(chunks, finish)

    def quote(self, case: Case) -> Outcome:
        """A signed quote."""
        body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
        offer = self.judge_quote(body, signature, provider=bytes.fromhex(case["provider"]))
        if offer is None:
            return reject(code="ENCODING")
        fields = {key: offer[number] for number, key in enumerate(_QUOTE)}
        return accept(fields={key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()})

    def judge_quote(self, body: bytes, signature: bytes, *, provider: bytes) -> Item:
        """The quote of ``provider``; None where it is none."""
        try:
            quote = self.decode(body)
        except NotDeterministicError:
            return None
        if self.broken("quote-body", quote) is not None:
            return None
        own = quote[0] == provider and self.is_signed_by(provider, "mycellm/quote/v1", body, signature)
        return quote if self.refusal(Check("RCP-002", own, "ENCODING")) is None else None

    def commitments(self, case: Case) -> Outcome:
        """A hash over a context and items."""
        return accept(hash=self.name(case["context"], *self.committed(case["context"], case["items"])).hex())

    def committed(self, context: str, items: list[Json]) -> list[bytes]:
        """The items of a commitment as they are hashed: encoded, but content, which is an item already (RCP-006)."""
        values = [valued(item) for item in items]
        encoded = [self.encode(value) for value in values]
        return [encoded[0], values[1]] if context == "mycellm/request/v1" else encoded

    def before(self, link: bytes) -> bytes:
        """The link before ``link`` (RCP-057)."""
        return self.name("mycellm/tick/v1", b"\x58\x20" + link)

    def leads_to(self, link: bytes, steps: int, target: bytes) -> bool:
        """Whether ``steps`` steps lead from ``link`` to ``target``."""
        head = self.preimage("mycellm/tick/v1", b"\x58\x20")
        for _ in range(steps):
            link = hashlib.sha256(head + link).digest()
        return link == target

    def most_ticks(self, offer: Item, ceiling: int) -> int:
        """N: the ticks of an open with this ceiling."""
        return int(min(-(-ceiling // offer[7]), _MOST_TICKS))

    def ticks(self, case: Case) -> Outcome:
        """A chain, or a link that is offered."""
        if "seed" in case:
            links = [bytes.fromhex(case["seed"])]
            for _ in range(case["length"]):
                links.append(self.before(links[-1]))
            links.reverse()
            shown = [{"ticks": ticks, "link": links[ticks].hex()} for ticks in case["show"]]
            return accept(anchor=links[0].hex(), links=shown)
        ticks, link = case["offered"]["ticks"], bytes.fromhex(case["offered"]["link"])
        code = self.refusal(
            Check("RCP-021", case["released"]["ticks"] <= ticks <= case["most"], "BAD_TICK"),
            Check("RCP-020", self.leads_to(link, ticks, bytes.fromhex(case["anchor"])), "BAD_TICK"),
        )
        return accept() if code is None else reject(code=code)

    def open(self, case: Case) -> Outcome:
        """A REQUEST, from check d to check n of SPEC.md, "Inference exchange"."""
        code, opened, paid = self.judge_request(
            self.decode(bytes.fromhex(case["request"])),
            offered=[self.decode(bytes.fromhex(case["offered"]))],
            consumer=bytes.fromhex(case["consumer"]),
            provider=bytes.fromhex(case["provider"]),
            pinned=case["pinned"],
            capabilities=case["capabilities"],
            now=case["now"],
        )
        if code is not None:
            return reject(code=code)
        return accept(sequence=opened[3], ceiling=opened[7], ticks=paid)

    def judge_request(
        self,
        request: Item,
        *,
        offered: list[Item],
        consumer: bytes,
        provider: bytes,
        pinned: bool,
        capabilities: list[int],
        now: float,
    ) -> tuple[str | None, Item, int]:
        """The code with which a REQUEST is refused, or None; the open in it; the ticks that it prepays."""
        if self.broken("request", request) is not None:
            return "MALFORMED", {}, 0
        opened: Item = {}
        code = self.refusal(Check("HSK-015", pinned, "UNPINNED")) or self.judge_content(request[0], capabilities)
        if code is None:
            opened, code = self.judge_open(*request[2], consumer=consumer, provider=provider)
        if code is not None:
            return code, {}, 0
        quotes = {self.name("mycellm/quote/v1", body): self.decode(body) for body, _ in offered}
        offer = self.quote_of(opened, quotes)
        if offer is None:
            return "UNKNOWN_QUOTE", {}, 0
        return self.judge_terms(request, opened, offer, now), opened, offer[8]

    def judge_open(self, body: bytes, signature: bytes, *, consumer: bytes, provider: bytes) -> tuple[Item, str | None]:
        """The open, and the code with which it is refused (checks i to k)."""
        try:
            opened = self.decode(body)
        except NotDeterministicError:
            return {}, "MALFORMED"
        if self.broken("open-body", opened) is not None:
            return {}, "BAD_OPEN"
        return opened, self.refusal(
            Check("RCP-009", (opened[1], opened[2]) == (consumer, provider), "BAD_OPEN"),
            Check("RCP-010", self.is_signed_by(opened[1], "mycellm/open/v1", body, signature), "BAD_OPEN"),
        )

    def quote_of(self, opened: Item, quotes: dict[bytes, Item]) -> Item:
        """The offered quote that an open names; None where it names none (RCP-004)."""
        return quotes.get(opened[5])

    def judge_terms(self, request: Item, opened: Item, offer: Item, now: float) -> str | None:
        """Checks l to n: the open against the quote and the content."""
        committed = self.name("mycellm/request/v1", self.encode(request[1]), request[0])
        agreed = (opened[0], self.decode(request[0])[1]) == (offer[1], offer[2])
        paid = self.leads_to(request[3], offer[8], opened[8])
        return self.refusal(
            Check("RCP-005", now < offer[10] + _SKEW, "QUOTE_EXPIRED"),
            Check("RCP-011", agreed, "BAD_OPEN"),
            Check("NET-036", offer[1] == DIRECT, "NOT_MEMBER"),
            Check("RCP-036", opened[7] <= _MOST_TICKS * offer[7], "BAD_OPEN"),
            Check("RCP-012", opened[6] == committed, "BAD_OPEN"),
            Check("RCP-021", offer[8] <= self.most_ticks(offer, opened[7]), "BAD_TICK"),
            Check("RCP-020", paid, "BAD_TICK"),
        )
