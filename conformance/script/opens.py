"""Requests whose open, quote or prepaid ticks are wrong: what each `Fault` changes at which layer, and quotes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.offer import chain
from conformance.signing import Key

from .asking import Draft, Edits
from .faults import Fault
from .initiator import Initiator

STRANGER = Key(bytes(range(32)))
"""Somebody who has no part in the connection."""
_ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the order of the base point of edwards25519."""
_NAN = bytes.fromhex("f97e00")


def _opened(**changes: Item) -> Edits:
    """An open with other values under k0, k1 and so on, signed as it then is."""

    def edit(draft: Draft) -> None:
        draft.opened |= {int(key.removeprefix("k")): value for key, value in changes.items()}

    return Edits(opened=edit)


def _without_anchor(draft: Draft) -> None:
    del draft.opened[8]


def _another_consumer(draft: Draft) -> None:
    draft.key = STRANGER
    draft.opened[1] = STRANGER.public


def _another_signer(draft: Draft) -> None:
    draft.key = STRANGER


def _another_context(draft: Draft) -> None:
    draft.signed[1] = draft.key.sign(signing.CLOSE, draft.signed[0])


def _flipped(draft: Draft) -> None:
    signature = draft.signed[1]
    draft.signed[1] = bytes((signature[0] ^ 1,)) + signature[1:]


def _plus_order(draft: Draft) -> None:
    """S + L in place of S: what a library verifies that does not look at the range of S."""
    signature = draft.signed[1]
    scalar = int.from_bytes(signature[32:], "little") + _ORDER
    draft.signed[1] = signature[:32] + scalar.to_bytes(32, "little")


def _changed(draft: Draft) -> None:
    draft.signed[0] = dcbor.encode(draft.opened | {7: draft.opened[7] + 1})


def _not_a_number(draft: Draft) -> None:
    """The ceiling is a float, NaN, and the signature is right."""
    before = dcbor.encode(7) + dcbor.encode(draft.opened[7]) + dcbor.encode(8)
    body = draft.signed[0].replace(before, dcbor.encode(7) + _NAN + dcbor.encode(8))
    draft.signed = [body, draft.key.sign(signing.OPEN, body)]


def _another_model(draft: Draft) -> None:
    draft.content[1] = draft.quote.model[:-1] + ("b" if draft.quote.model.endswith("a") else "a")


def _ceiling_above_ticks(draft: Draft) -> None:
    draft.opened[7] = limit("MAX_TICKS") * draft.quote.tick_value + 1


def _other_salt(draft: Draft) -> None:
    draft.request[1] = bytes(reversed(draft.salt))


def _other_content(draft: Draft) -> None:
    """One more token is asked for than was committed to."""
    draft.request[0] = dcbor.encode(draft.content | {3: draft.content[3] + 1})


def _ceiling_below_prepaid(draft: Draft) -> None:
    """The chain is as long as the prepaid ticks need, and the ceiling is a tick short of them."""
    prepaid = draft.quote.prepaid_ticks
    draft.links = chain(draft.salt, prepaid)
    draft.opened |= {7: (prepaid - 1) * draft.quote.tick_value, 8: draft.links[0]}


def _longer_chain(draft: Draft) -> None:
    """The chain has a tick more than the ceiling allows, of which the request itself shows nothing."""
    draft.links = chain(draft.salt, draft.quote.most_ticks(draft.opened[7]) + 1)
    draft.opened[8] = draft.links[0]


def _random_link(draft: Draft) -> None:
    draft.request[3] = bytes(range(32))


def _link_too_far(draft: Draft) -> None:
    draft.request[3] = draft.links[draft.quote.prepaid_ticks + 1]


def _link_is_anchor(draft: Draft) -> None:
    draft.request[3] = draft.links[0]


OPENS: Mapping[Fault, Edits] = {
    Fault.OPEN_CEILING_NAN: Edits(signed=_not_a_number),
    Fault.OPEN_MISSING_KEY: Edits(opened=_without_anchor),
    Fault.OPEN_UNKNOWN_EVEN_KEY: _opened(k10=None),
    Fault.OPEN_UNKNOWN_ODD_KEY: _opened(k65=None),
    Fault.OPEN_CEILING_NEGATIVE: _opened(k7=-1),
    Fault.OPEN_CEILING_BEYOND_AMOUNT: _opened(k7=limit("MAX_AMOUNT") + 1),
    Fault.OPEN_SEQUENCE_ZERO: _opened(k3=0),
    Fault.OPEN_SHORT_ANCHOR: _opened(k8=bytes(31)),
    Fault.OPEN_OF_ANOTHER_CONSUMER: Edits(opened=_another_consumer),
    Fault.OPEN_FOR_ANOTHER_PROVIDER: _opened(k2=STRANGER.public),
    Fault.OPEN_SIGNATURE_FLIPPED: Edits(signed=_flipped),
    Fault.OPEN_SIGNATURE_PLUS_ORDER: Edits(signed=_plus_order),
    Fault.OPEN_SIGNED_BY_ANOTHER_KEY: Edits(opened=_another_signer),
    Fault.OPEN_SIGNED_IN_ANOTHER_CONTEXT: Edits(signed=_another_context),
    Fault.OPEN_CHANGED_AFTER_SIGNING: Edits(signed=_changed),
    Fault.OPEN_NAMES_UNKNOWN_QUOTE: _opened(k5=bytes(range(32))),
    Fault.OPEN_OF_ANOTHER_NETWORK: _opened(k0=bytes(range(32))),
    Fault.OPEN_FOR_ANOTHER_MODEL: Edits(content=_another_model),
    Fault.OPEN_CEILING_ABOVE_TICKS: Edits(opened=_ceiling_above_ticks),
    Fault.OPEN_CEILING_HUGEST: _opened(k7=limit("MAX_AMOUNT")),
    Fault.OPEN_COMMITS_TO_OTHER_SALT: Edits(request=_other_salt),
    Fault.OPEN_COMMITS_TO_OTHER_CONTENT: Edits(request=_other_content),
    Fault.OPEN_CEILING_BELOW_PREPAID: Edits(opened=_ceiling_below_prepaid),
    Fault.PREPAID_LINK_RANDOM: Edits(request=_random_link),
    Fault.PREPAID_LINK_TOO_FAR: Edits(opened=_longer_chain, request=_link_too_far),
    Fault.PREPAID_LINK_IS_ANCHOR: Edits(request=_link_is_anchor),
    Fault.TICK_ABOVE_CEILING: Edits(opened=_longer_chain),
}
"""What each fault changes in a draft."""


def own_quote(side: Initiator) -> dict[int, Item]:
    """The body of an honest quote of the suite's own node."""
    return {
        0: side.session.key.public,
        1: signing.DIRECT,
        2: "conformance-words",
        3: bytes(range(32)),
        4: 2048,
        5: 1,
        6: 4,
        7: 64,
        8: 1,
        9: 2,
        10: int(side.session.environment.clock()) + 3600,
    }


def models(side: Initiator, quote: list[bytes]) -> bytes:
    """The body of a MODELS frame with one quote; a reserved key is beside it."""
    return dcbor.encode({0: [quote], side.session.entropy.reserved(): None})


def _quote(**changes: Item) -> Callable[[Initiator], list[bytes]]:
    """A quote with other values under k0, k1 and so on, signed as it then is."""

    def signed(side: Initiator) -> list[bytes]:
        body = own_quote(side) | {int(key.removeprefix("k")): value for key, value in changes.items()}
        return side.session.key.signed(signing.QUOTE, body)

    return signed


def _quote_without_expiry(side: Initiator) -> list[bytes]:
    body = own_quote(side)
    del body[10]
    return side.session.key.signed(signing.QUOTE, body)


def _quote_not_an_item(side: Initiator) -> list[bytes]:
    """The body has a byte too many, and the signature is right."""
    body = dcbor.encode(own_quote(side)) + b"\0"
    return [body, side.session.key.sign(signing.QUOTE, body)]


def _quote_flipped(side: Initiator) -> list[bytes]:
    body, signature = side.session.key.signed(signing.QUOTE, own_quote(side))
    return [body, bytes((signature[0] ^ 1,)) + signature[1:]]


QUOTES: Mapping[Fault, Callable[[Initiator], list[bytes]]] = {
    Fault.QUOTE_NOT_AN_ITEM: _quote_not_an_item,
    Fault.QUOTE_MISSING_KEY: _quote_without_expiry,
    Fault.QUOTE_UNKNOWN_ODD_KEY: _quote(k65=None),
    Fault.QUOTE_WINDOW_ZERO: _quote(k9=0),
    Fault.QUOTE_TICK_VALUE_ZERO: _quote(k7=0),
    Fault.QUOTE_PRICE_TOO_HIGH: _quote(k6=limit("MAX_PRICE") + 1),
    Fault.QUOTE_OF_ANOTHER_PROVIDER: lambda side: STRANGER.signed(
        signing.QUOTE, own_quote(side) | {0: STRANGER.public}
    ),
    Fault.QUOTE_SIGNED_BY_ANOTHER_KEY: lambda side: STRANGER.signed(signing.QUOTE, own_quote(side)),
    Fault.QUOTE_SIGNATURE_FLIPPED: _quote_flipped,
    Fault.QUOTE_SIGNED_IN_ANOTHER_CONTEXT: lambda side: side.session.key.signed(signing.OPEN, own_quote(side)),
}
"""The quote that each fault sends: body and signature."""
