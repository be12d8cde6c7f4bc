"""Families of what is asked, authorised and paid: content, quote, open, commitments, ticks."""

from __future__ import annotations

import hashlib

from conformance import dcbor, ed25519, shapes
from conformance.dcbor import Item
from conformance.shapes import broken

from .outcome import Case, Json, Outcome, accept, joined, name, noted, preimage, reject, same, valued

_SKEW = 120
_MOST_TICKS = 65_536
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "seed")
_ROLES = {1: "SYSTEM", 2: "USER", 3: "ASSISTANT"}
_QUOTE = (
    "provider", "network", "model", "model_digest", "context_length", "price_in", "price_out", "tick_value",
    "prepaid_ticks", "window", "expires",
)  # fmt: skip


def signed_parts(case: Case, context: str) -> tuple[bytes, bytes]:
    """Body and signature of the object that a case shows; its pre-image and its name must follow from them."""
    body, signature = bytes.fromhex(case["body"]), bytes.fromhex(case["signature"])
    same("the pre-image", preimage(context, body).hex(), case["preimage"])
    same("the name", name(context, body).hex(), case["hash"])
    return body, signature


def judge_content(data: bytes) -> str | None:
    """The code with which content is refused; None where it is a chat request."""
    try:
        value = dcbor.decode(data)
    except dcbor.NotDeterministicError:
        return "MALFORMED"
    if isinstance(value, dict) and type(value.get(0)) is int and value[0] != 1:
        return "UNSUPPORTED"
    return None if broken("chat-request", value) is None else "MALFORMED"


def content(case: Case) -> Outcome:
    """The content of a REQUEST."""
    data = joined(case["hex"])
    code = judge_content(data)
    if code is not None:
        return reject(code=code)
    value = dcbor.decode(data)
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


def judge_quote(body: bytes, signature: bytes, *, provider: bytes) -> dict[int, Item] | None:
    """The quote of ``provider``; None where it is none."""
    try:
        quote = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return None
    if broken("quote-body", quote) is not None or quote[0] != provider:
        return None
    return quote if ed25519.is_valid(provider, preimage("mycellm/quote/v1", body), signature) else None


def quote(case: Case) -> Outcome:
    """A signed quote."""
    body, signature = signed_parts(case, "mycellm/quote/v1")
    offer = judge_quote(body, signature, provider=bytes.fromhex(case["provider"]))
    if offer is None:
        return reject(code="ENCODING")
    fields = {key: offer[number] for number, key in enumerate(_QUOTE)}
    return accept(fields={key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()})


def commitments(case: Case) -> Outcome:
    """A hash over a context and items."""
    items = [valued(item) for item in case["items"]]
    encoded = [dcbor.encode(item) for item in items]
    if case["context"] == "mycellm/request/v1":
        encoded[1] = items[1]  # an item already
    same("the pre-image", preimage(case["context"], *encoded).hex(), case["preimage"])
    same("the items", [noted(item) for item in items], case["items"])
    return accept(hash=name(case["context"], *encoded).hex())


def before(link: bytes) -> bytes:
    """The link before ``link``."""
    return name("mycellm/tick/v1", dcbor.encode(link))


def leads_to(link: bytes, steps: int, target: bytes) -> bool:
    """Whether ``steps`` steps lead from ``link`` to ``target``."""
    head = preimage("mycellm/tick/v1", b"\x58\x20")
    for _ in range(steps):
        link = hashlib.sha256(head + link).digest()
    return link == target


def most_ticks(offer: dict[int, Item], ceiling: int) -> int:
    """N: the ticks of an open with this ceiling."""
    return int(min(-(-ceiling // offer[7]), _MOST_TICKS))


def ticks(case: Case) -> Outcome:
    """A chain, or a link that is offered."""
    if "seed" in case:
        links = [bytes.fromhex(case["seed"])]
        for _ in range(case["length"]):
            links.append(before(links[-1]))
        links.reverse()
        shown = [{"ticks": each["ticks"], "link": links[each["ticks"]].hex()} for each in case["expect"]["links"]]
        return accept(anchor=links[0].hex(), links=shown)
    released, offered = case["released"], case["offered"]
    steps = offered["ticks"] - released["ticks"]
    if steps < 0 or offered["ticks"] > case["most"]:
        return reject(code="BAD_TICK")
    good = leads_to(bytes.fromhex(offered["link"]), steps, bytes.fromhex(released["link"]))
    return accept() if good else reject(code="BAD_TICK")


def judge_open(
    body: bytes, signature: bytes, *, consumer: bytes, provider: bytes
) -> tuple[dict[int, Item], str | None]:
    """The open, and the code with which it is refused (checks i to k)."""
    try:
        opened = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return {}, "MALFORMED"
    if broken("open-body", opened) is not None:
        return {}, "BAD_OPEN"
    proved = ed25519.is_valid(consumer, preimage("mycellm/open/v1", body), signature)
    return opened, None if proved and (opened[1], opened[2]) == (consumer, provider) else "BAD_OPEN"


def open_(case: Case) -> Outcome:
    """A REQUEST, from check d to check n of SPEC.md, "Inference exchange"."""
    signed_parts(case, "mycellm/open/v1")
    code, opened, paid = judge_request(
        dcbor.decode(bytes.fromhex(case["request"])),
        offered=[dcbor.decode(bytes.fromhex(case["offered"]))],
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
    request: Item,
    *,
    offered: list[Item],
    consumer: bytes,
    provider: bytes,
    pinned: bool,
    capabilities: list[int],
    now: float,
) -> tuple[str | None, dict[int, Item], int]:
    """The code with which a REQUEST is refused, or None; the open in it; the ticks that it prepays."""
    if shapes.broken("request", request) is not None:
        return "MALFORMED", {}, 0
    if not pinned:
        return "UNPINNED", {}, 0
    if 1 not in capabilities:
        return "UNSUPPORTED", {}, 0
    opened: dict[int, Item] = {}
    code = judge_content(request[0])
    if code is None:
        opened, code = judge_open(*request[2], consumer=consumer, provider=provider)
    if code is not None:
        return code, {}, 0
    quotes = {name("mycellm/quote/v1", body): dcbor.decode(body) for body, _ in offered}
    offer = quotes.get(opened[5])
    return _judge_terms(request, opened, offer, now), opened, 0 if offer is None else offer[8]


def _judge_terms(request: Item, opened: dict[int, Item], offer: dict[int, Item] | None, now: float) -> str | None:
    """Checks l to n: the open against the quote and the content."""
    if offer is None:
        return "UNKNOWN_QUOTE"
    if now >= offer[10] + _SKEW:
        return "QUOTE_EXPIRED"
    committed = name("mycellm/request/v1", dcbor.encode(request[1]), request[0])
    agreed = (opened[0], dcbor.decode(request[0])[1], opened[6]) == (offer[1], offer[2], committed)
    if not agreed or opened[7] > _MOST_TICKS * offer[7]:
        return "BAD_OPEN"
    if offer[8] > most_ticks(offer, opened[7]) or not leads_to(request[3], offer[8], opened[8]):
        return "BAD_TICK"
    return None
