"""Families of what is asked, authorised and paid: content, quote, open, commitments, ticks."""

from __future__ import annotations

import hashlib

from conformance.dcbor import Item, NotDeterministicError
from conformance.signing import DIRECT

from .outcome import Case, Json, Outcome, accept, joined, reject, valued
from .rules import Check, Rules

_SKEW = 120
_MOST_TICKS = 65_536
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "seed")
_ROLES = {1: "SYSTEM", 2: "USER", 3: "ASSISTANT"}
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
        value = self.decode(data)
        sampling: dict[str, Json] = {name: value[key] for key, name in enumerate(_SAMPLING, 6) if key in value}
        if "seed" in sampling:
            sampling["seed"] = str(sampling["seed"])
        return accept(
            request={
                "operation": "CHAT",
                "model": value[1],
                "messages": [{"role": _ROLES[each[0]], "content": each[1]} for each in value[2]],
                "max_tokens": value[3],
                "deadline_ms": value[4],
                "stop": value.get(5, []),
                "sampling": sampling,
            }
        )

    def judge_content(self, data: bytes) -> str | None:
        """The code with which content is refused; None where it is a chat request."""
        try:
            value = self.decode(data)
        except NotDeterministicError:
            return "MALFORMED"
        operation = value.get(0) if isinstance(value, dict) else None
        return self.refusal(
            Check("INF-005", type(operation) is not int or operation == 1, "UNSUPPORTED"),
            Check("INF-004", self.broken("chat-request", value) is None, "MALFORMED"),
        )

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
        code = self.refusal(
            Check("HSK-015", pinned, "UNPINNED"), Check("VER-004", 1 in capabilities, "UNSUPPORTED")
        ) or self.judge_content(request[0])
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
