"""The one list of everything that the suite does wrong on purpose. A case commits one of these, or none."""

from __future__ import annotations

from enum import Enum, auto, unique


@unique
class Fault(Enum):
    """What is wrong. The tables of the scripts say how it is done."""

    # Transport.
    OTHER_ALPN = auto()

    # What no version has.
    RANDOM_FIRST_FRAME = auto()
    RANDOM_OPERATION = auto()

    # HELLO of an initiator.
    HELLO_NOT_SENT = auto()
    HELLO_OVERSIZED = auto()
    HELLO_NOT_SIGNED_OBJECT = auto()
    HELLO_BODY_NOT_DETERMINISTIC = auto()
    HELLO_MISSING_KEY = auto()
    HELLO_UNKNOWN_EVEN_KEY = auto()
    HELLO_UNKNOWN_ODD_KEY = auto()
    HELLO_RESPONDER_SHAPE = auto()
    HELLO_SIGNATURE_FLIPPED = auto()
    HELLO_SIGNED_BY_ANOTHER_KEY = auto()
    HELLO_SIGNED_IN_ANOTHER_CONTEXT = auto()
    HELLO_CHANGED_AFTER_SIGNING = auto()
    HELLO_SMALL_ORDER_KEY = auto()
    HELLO_ROLE_OF_RESPONDER = auto()
    HELLO_OTHER_BINDING = auto()
    HELLO_REPLAYED = auto()
    HELLO_REFLECTED = auto()
    HELLO_CAPABILITIES_UNORDERED = auto()
    HELLO_CAPABILITY_TWICE = auto()
    HELLO_FOR_ANOTHER_PEER = auto()
    HELLO_NAMES_ANOTHER_HELLO = auto()
    HELLO_VERSION_TOO_NEW = auto()
    HELLO_VERSION_TOO_OLD = auto()
    HELLO_TWICE = auto()

    # Frames, encodings and limits.

    # Control streams.

    # Requests, what is asked.

    # Requests, what is authorised.

    # Answers, flow and cancellation.

    # Answers, payment and agreement.

    # The suite as responder and provider.
