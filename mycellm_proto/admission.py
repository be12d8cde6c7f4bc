"""What a REQUEST must prove before its owner sees it: SPEC.md sections "Inference exchange" and "Receipts"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import limits
from .content import Content, Operation
from .content_codec import decode_content
from .economy import DIRECT_NETWORK, Evidence, Open, Quote, read_open, request_commitment
from .errors import ErrorCode, RemoteProtocolError
from .frames import Request
from .hello import NEEDED, Session
from .membership import VerifiedMember
from .proofs import Proofs
from .signed import Signed
from .ticks import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A verified request: what is asked, what authorises it, and a meter that holds the prepaid ticks.

    ``member`` is whom it is charged to in a rooted network; in the direct network the open's consumer is.
    """

    request: Content
    open: Open
    quote: Quote
    evidence: Evidence
    meter: Meter
    member: VerifiedMember | None = None


def admit(
    frame: Request,
    *,
    session: Session,
    provider: bytes,
    offered: Mapping[bytes, tuple[Quote, Signed]],
    now: float,
    proofs: Proofs | None = None,
) -> Admitted:
    """Verify ``frame`` from the peer of ``session`` to this ``provider``, against the quotes ``offered`` to that peer.

    ``proofs`` are those of the connection, none for a connection on which nothing was proved; ``now`` is in seconds
    since 1970. Raises `RemoteProtocolError`: the request is refused with its code.
    """
    if not session.pinned:
        raise _refusal("the peer did not pin this node", ErrorCode.UNPINNED, "HSK-015")
    content = decode_content(frame.content, _agreed(session))
    opened = read_open(frame.open, consumer=session.peer, provider=provider)
    quote, signed_quote = _quoted(opened, offered, now)
    if (opened.network, content.model) != (quote.network, quote.model):
        raise _refusal("open or content is not of the quote", ErrorCode.BAD_OPEN, "RCP-011")
    member = _member(opened.network, proofs, now)
    if opened.ceiling > limits.MAX_TICKS * quote.tick_value:
        raise _refusal("more than the ticks of one open can pay", ErrorCode.BAD_OPEN, "RCP-036")
    if request_commitment(frame.salt, frame.content) != opened.request:
        raise _refusal("commitment is not of this content", ErrorCode.BAD_OPEN, "RCP-012")
    meter = Meter(opened.anchor, quote.most_ticks(opened.ceiling))
    meter.release(quote.prepaid_ticks, frame.prepaid)
    evidence = Evidence(quote=signed_quote, open=frame.open, ticks=meter.ticks, link=meter.link)
    return Admitted(request=content, open=opened, quote=quote, evidence=evidence, meter=meter, member=member)


def _agreed(session: Session) -> frozenset[Operation]:
    return frozenset(operation for operation, capability in NEEDED.items() if capability in session.capabilities)


def _quoted(opened: Open, offered: Mapping[bytes, tuple[Quote, Signed]], now: float) -> tuple[Quote, Signed]:
    if opened.quote not in offered:
        raise _refusal("quote was not offered here, or long ago", ErrorCode.UNKNOWN_QUOTE, "RCP-004")
    quote, signed = offered[opened.quote]
    if now >= quote.expires + limits.CLOCK_SKEW:
        raise _refusal("quote has expired", ErrorCode.QUOTE_EXPIRED, "RCP-005")
    return quote, signed


def _member(network: bytes, proofs: Proofs | None, now: float) -> VerifiedMember | None:
    """NET-036: whom an open in ``network`` is charged to; nobody else than its consumer in the direct network."""
    if proofs is not None:
        return proofs.check_open(network, now)
    if network != DIRECT_NETWORK:
        raise _refusal("no network was proved", ErrorCode.NOT_MEMBER, "NET-036")
    return None


def _refusal(message: str, code: ErrorCode, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=code, requirement=requirement)
