"""Families of what is billed and agreed: billing, close, countersign, receipts, fraud."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.dcbor import Item, NotDeterministicError
from conformance.finish import CANCELLED

from .outcome import Case, Outcome, accept, reject
from .payment import Payment
from .rules import Check

_MAX_RECEIPT = 4096
_CLOSE = (
    "open", "request", "response", "model_digest", "input_tokens", "output_tokens", "total", "finish", "assurance",
)  # fmt: skip


class Settlement(Payment):
    """SPEC.md, "Receipts", from the close on."""

    network = "direct"
    """The only network of this version (NET-001)."""

    def owed(self, offer: Item, input_tokens: int, output_tokens: int) -> int:
        """The price of so many tokens."""
        return int(offer[5]) * input_tokens + int(offer[6]) * output_tokens

    def billed(self, offer: Item, input_tokens: int, output_tokens: int, ticks: int | None) -> int:
        """The total of a close (RCP-025): no more than ``ticks`` pay, where it was cancelled on so many."""
        due = self.owed(offer, input_tokens, output_tokens)
        return due if ticks is None else min(due, ticks * offer[7])

    def response(self, salt: bytes, text: str, finish: int, tokens: int) -> bytes:
        """The commitment to an answer of text alone (RCP-007)."""
        answer = self.encode(self.answer_of([{0: text, 1: tokens}], finish))
        return self.name("mycellm/response/v1", self.encode(salt), answer)

    def bill(
        self,
        open_body: bytes,
        offer: Item,
        *,
        input_tokens: int,
        chunks: Sequence[tuple[str, int]],
        finish: int,
        ticks: int,
        salt: bytes,
    ) -> Item:
        """The close of these ``chunks``: those that are billed, which ``ticks`` pay for if it says CANCELLED."""
        text, tokens = "".join(text for text, _ in chunks), sum(count for _, count in chunks)
        return {
            0: self.name("mycellm/open/v1", open_body),
            1: self.decode(open_body)[6],
            2: self.response(salt, text, finish, tokens),
            3: offer[3],
            4: input_tokens,
            5: tokens,
            6: self.billed(offer, input_tokens, tokens, ticks if finish == CANCELLED else None),
            7: finish,
            8: 0,
        }

    def billing(self, case: Case) -> Outcome:
        """A close, as its provider makes it."""
        cancel = case["cancel"] or {"chunks": None, "ticks": 0}
        close = self.bill(
            self.decode(bytes.fromhex(case["open"]))[0],
            self.decode(self.decode(bytes.fromhex(case["quote"]))[0]),
            input_tokens=case["input_tokens"],
            chunks=[(each["text"], each["tokens"]) for each in case["chunks"]][: cancel["chunks"]],
            finish=case["finish"],
            ticks=cancel["ticks"],
            salt=bytes.fromhex(case["salt"]),
        )
        fields = {name: close[key] for key, name in enumerate(_CLOSE)}
        return accept(fields={key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()})

    def close(self, case: Case) -> Outcome:
        """A close, as its consumer judges it."""
        total = self.judge_close(
            bytes.fromhex(case["body"]),
            bytes.fromhex(case["signature"]),
            open_body=self.decode(bytes.fromhex(case["open"]))[0],
            offer=self.decode(self.decode(bytes.fromhex(case["quote"]))[0]),
            input_tokens=case["input_tokens"],
            chunks=[(each["text"], each["tokens"]) for each in case["chunks"]],
            cancelled_after=case["cancelled_after"],
            ticks=case["ticks"],
            salt=bytes.fromhex(case["salt"]),
        )
        return reject(code="BAD_CLOSE") if total is None else accept(total=total)

    def judge_close(
        self,
        body: bytes,
        signature: bytes,
        *,
        open_body: bytes,
        offer: Item,
        input_tokens: int | None,
        chunks: Sequence[tuple[str, int]],
        cancelled_after: int | None,
        ticks: int,
        salt: bytes,
    ) -> int | None:
        """The total that the consumer agrees to; None where it gives up with BAD_CLOSE."""
        opened = self.decode(open_body)
        try:
            close = self.decode(body)
        except NotDeterministicError:
            return None
        if self.broken("close-body", close) is not None:
            return None
        cancelled = close[7] == CANCELLED
        expected = self.bill(
            open_body,
            offer,
            input_tokens=close[4] if input_tokens is None else input_tokens,
            chunks=chunks[:cancelled_after] if cancelled else chunks,
            finish=close[7],
            ticks=ticks,
            salt=salt,
        )
        within = cancelled_after is None or close[6] <= (ticks + offer[9]) * offer[7]
        code = self.refusal(
            Check("RCP-026", self.is_signed_by(opened[2], "mycellm/close/v1", body, signature), "BAD_CLOSE"),
            Check("RCP-027", not cancelled or cancelled_after is not None, "BAD_CLOSE"),
            Check("RCP-028", self.is_what_follows(close, expected) and close[6] <= opened[7], "BAD_CLOSE"),
            Check("RCP-033", within, "BAD_CLOSE"),
        )
        return int(close[6]) if code is None else None

    def is_what_follows(self, close: Item, expected: Item) -> bool:
        """Whether a close says in every key what follows from the exchange."""
        return bool(close == expected)

    def countersign(self, case: Case) -> Outcome:
        """A countersignature, as the provider judges it."""
        parts = (bytes.fromhex(case[key]) for key in ("body", "signature", "consumer"))
        return accept() if self.is_countersigned(*parts) else reject(code="BAD_CLOSE")

    def is_countersigned(self, body: bytes, signature: bytes, consumer: bytes) -> bool:
        """Whether ``consumer`` agreed to the close with this body (RCP-029)."""
        return self.is_signed_by(consumer, "mycellm/countersign/v1", body, signature)

    def receipts(self, case: Case) -> Outcome:
        """A whole receipt: the six points of SPEC.md, "Receipts"."""
        data = bytes.fromhex(case["receipt"])
        receipt: Item = None
        try:
            receipt = self.decode(data)
            bodies = [self.decode(signed[0]) for signed in receipt[:3]] if self._is_receipt(data, receipt) else []
        except NotDeterministicError:
            bodies = []
        rules = ("quote-body", "open-body", "close-body")
        if not bodies or any(self.broken(rule, body) for rule, body in zip(rules, bodies, strict=True)):
            return reject(check="encoding")
        failed = [check for check, holds in self.receipt_checks(receipt, *bodies).items() if not holds]
        if failed:
            return reject(check=failed[0])
        opened = bodies[1]
        return accept(
            network=opened[0].hex(),
            consumer=opened[1].hex(),
            provider=opened[2].hex(),
            sequence=opened[3],
            total=bodies[2][6],
        )

    def _is_receipt(self, data: bytes, value: Item) -> bool:
        whole = type(value) is list and len(value) == 4 and len(data) <= _MAX_RECEIPT
        return whole and all(map(self.is_signed, value[:3])) and type(value[3]) is bytes and len(value[3]) == 64

    def receipt_checks(self, receipt: Item, offer: Item, opened: Item, bill: Item) -> dict[str, bool]:
        """Every check of a receipt by its name, and whether it holds (RCP-048)."""
        signed_quote, signed_open, signed_close, agreed = receipt
        _, refused = self.judge_open(*signed_open, consumer=opened[1], provider=opened[2])
        due = self.owed(offer, bill[4], bill[5])
        billed = bill[6] == due or (bill[7] == CANCELLED and bill[6] < due and bill[6] % offer[7] == 0)
        direct = self.name("mycellm/network/v1", self.encode({0: self.network}))
        named = opened[5] == self.name("mycellm/quote/v1", signed_quote[0])
        is_closed = self.is_signed_by(opened[2], "mycellm/close/v1", *signed_close)
        return {
            "quote": self.judge_quote(*signed_quote, provider=opened[2]) is not None and named,
            "open": refused is None,
            "network": opened[0] == offer[1] == direct,
            "close": is_closed and bill[0] == self.name("mycellm/open/v1", signed_open[0]),
            "request": bill[1] == opened[6],
            "model": bill[3] == offer[3],
            "countersignature": self.is_countersigned(signed_close[0], agreed, opened[1]),
            "total": billed and bill[6] <= opened[7],
        }

    def fraud(self, case: Case) -> Outcome:
        """Two opens of one identity."""
        signed = [self.decode(bytes.fromhex(case[key])) for key in ("first", "second")]
        opens = [self.decode(body) for body, _ in signed]
        if any(self.broken("open-body", opened) for opened in opens):
            return reject()
        return accept(consumer=opens[0][1].hex()) if all(self.fraud_checks(signed, opens).values()) else reject()

    def fraud_checks(self, signed: Sequence[Item], opens: Sequence[Item]) -> dict[str, bool]:
        """Every check of a proof of fraud by its name, and whether it holds (RCP-049)."""
        signatures = [
            self.judge_open(*each, consumer=opened[1], provider=opened[2])[1] is None
            for each, opened in zip(signed, opens, strict=True)
        ]
        return {
            "signatures": all(signatures),
            "identity": len({tuple(opened[key] for key in range(4)) for opened in opens}) == 1,
            "difference": signed[0][0] != signed[1][0],
        }
