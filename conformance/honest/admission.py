"""What a provider asks of a REQUEST before it decides: SPEC.md, "Inference exchange", checks d to n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conformance import answers, dcbor, shapes, signing
from conformance.answers import CAPABILITIES, CHAT, CONTENTS
from conformance.data import limit
from conformance.dcbor import Item
from conformance.members import CONSUMER
from conformance.offer import Quote

from .rules import FailError, RefuseError, Rules

if TYPE_CHECKING:
    from .connection import Connection
    from .node import Node


class Admission:
    """The part of a `Provider` that reads what came."""

    connection: Connection
    node: Node
    rules: Rules
    content: dict[int, Item]
    opened: dict[int, Item]
    open_name: bytes
    signed: list[list[bytes]]
    quote: Quote | None
    link: bytes

    def release(self, k: int, link: bytes) -> None:
        """Take a link that pays for ``k`` ticks in all."""
        raise NotImplementedError

    def request_body(self, body: bytes) -> dict[int, Item]:
        """Check d."""
        try:
            request = self.rules.decode(body)
        except dcbor.NotDeterministicError:
            raise self.malformed() from None
        if shapes.broken("request", request) is not None:
            raise self.malformed()
        return shapes.known("request", request)

    def malformed(self) -> Exception:
        """ERR-006: what is wrong with a request ends the request, and not the connection."""
        return FailError("ENCODING") if self.rules.skips("ERR-006") else RefuseError("MALFORMED")

    def judge_content(self, encoded: bytes) -> dict[int, Item]:
        """Checks f to h."""
        try:
            content = self.rules.decode(encoded)
        except dcbor.NotDeterministicError:
            if self.rules.skips("INF-003"):
                return {}
            raise RefuseError("MALFORMED") from None
        operation = answers.operation_of(content)
        unknown = operation is not None and operation not in CONTENTS
        self.rules.forbid("INF-005", unknown, RefuseError("UNSUPPORTED"))
        rule = CONTENTS.get(CHAT if operation is None else operation, CONTENTS[CHAT])
        if operation in CAPABILITIES:
            self.rules.forbid("VER-004", not self.agreed(CAPABILITIES[operation]), RefuseError("UNSUPPORTED"))
        broken = shapes.broken(rule, content) is not None
        self.rules.forbid("INF-004", broken and not unknown, RefuseError("MALFORMED"))
        self.rules.forbid("INF-034", not broken and not answers.is_consistent(content), RefuseError("MALFORMED"))
        return shapes.known(rule, content) if isinstance(content, dict) else {}

    def agreed(self, capability: int) -> bool:
        """Whether both sides offer it."""
        session = self.connection.session
        return session is not None and capability in session.capabilities

    def judge_open(self, request: Mapping[int, Item], peer: bytes) -> None:
        """Checks i to k."""
        body, signature = request[2]
        try:
            opened = self.rules.decode(body)
        except dcbor.NotDeterministicError:
            raise self.malformed() from None
        self.rules.forbid("RCP-008", shapes.broken("open-body", opened) is not None, RefuseError("BAD_OPEN"))
        parties = opened[1] == peer and opened[2] == self.node.key.public
        self.rules.forbid("RCP-009", not parties, RefuseError("BAD_OPEN"))
        proved = signing.is_signed_by(opened[1], signing.OPEN, body, signature)
        self.rules.forbid("RCP-010", not proved, RefuseError("BAD_OPEN"))
        self.opened, self.open_name = opened, signing.name(signing.OPEN, body)
        self.signed = [[body, signature]]

    def judge_terms(self, request: Mapping[int, Item]) -> None:
        """Checks l to n."""
        opened, forbid = self.opened, self.rules.forbid
        signed = self.connection.offered.get(opened[5])
        forbid("RCP-004", signed is None, RefuseError("UNKNOWN_QUOTE"))
        if signed is None:
            signed = self.node.key.signed(signing.QUOTE, self.node.quote())
        quote = self.quote = Quote.read(signed[0])
        self.signed.insert(0, signed)
        late = self.node.clock() >= quote.expires + limit("CLOCK_SKEW")
        forbid("RCP-005", late, RefuseError("QUOTE_EXPIRED"))
        forbid("RCP-011", opened[0] != quote.network or self.content.get(1) != quote.model, RefuseError("BAD_OPEN"))
        member = opened[0] == signing.DIRECT or self.connection.plays(opened[0], CONSUMER)
        forbid("NET-036", not member, RefuseError("NOT_MEMBER"))
        forbid("RCP-036", opened[7] > limit("MAX_TICKS") * quote.tick_value, RefuseError("BAD_OPEN"))
        committed = signing.name(signing.REQUEST, dcbor.encode(request[1]), request[0])
        forbid("RCP-012", opened[6] != committed, RefuseError("BAD_OPEN"))
        self.link = opened[8]
        self.release(quote.prepaid_ticks, request[3])
