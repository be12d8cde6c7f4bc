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
    QUOTE_NOT_AN_ITEM = auto()
    QUOTE_MISSING_KEY = auto()
    QUOTE_UNKNOWN_ODD_KEY = auto()
    QUOTE_WINDOW_ZERO = auto()
    QUOTE_TICK_VALUE_ZERO = auto()
    QUOTE_PRICE_TOO_HIGH = auto()
    QUOTE_OF_ANOTHER_PROVIDER = auto()
    QUOTE_SIGNED_BY_ANOTHER_KEY = auto()
    QUOTE_SIGNATURE_FLIPPED = auto()
    QUOTE_SIGNED_IN_ANOTHER_CONTEXT = auto()
    OPEN_CEILING_NAN = auto()
    OPEN_MISSING_KEY = auto()
    OPEN_UNKNOWN_EVEN_KEY = auto()
    OPEN_UNKNOWN_ODD_KEY = auto()
    OPEN_CEILING_NEGATIVE = auto()
    OPEN_CEILING_BEYOND_AMOUNT = auto()
    OPEN_SEQUENCE_ZERO = auto()
    OPEN_SHORT_ANCHOR = auto()
    OPEN_OF_ANOTHER_CONSUMER = auto()
    OPEN_FOR_ANOTHER_PROVIDER = auto()
    OPEN_SIGNATURE_FLIPPED = auto()
    OPEN_SIGNATURE_PLUS_ORDER = auto()
    OPEN_SIGNED_BY_ANOTHER_KEY = auto()
    OPEN_SIGNED_IN_ANOTHER_CONTEXT = auto()
    OPEN_CHANGED_AFTER_SIGNING = auto()
    OPEN_NAMES_UNKNOWN_QUOTE = auto()
    OPEN_NAMES_EXPIRED_QUOTE = auto()
    OPEN_OF_ANOTHER_NETWORK = auto()
    OPEN_FOR_ANOTHER_MODEL = auto()
    OPEN_CEILING_ABOVE_TICKS = auto()
    OPEN_CEILING_HUGEST = auto()
    OPEN_COMMITS_TO_OTHER_SALT = auto()
    OPEN_COMMITS_TO_OTHER_CONTENT = auto()
    OPEN_CEILING_ZERO = auto()
    OPEN_CEILING_BELOW_PREPAID = auto()
    OPEN_CEILING_ONE_SHORT = auto()
    PREPAID_LINK_RANDOM = auto()
    PREPAID_LINK_TOO_FAR = auto()
    PREPAID_LINK_IS_ANCHOR = auto()
    OPEN_REPLAYED = auto()
    OPEN_SEQUENCE_REUSED = auto()
    OPEN_PREVIOUS_MISSING = auto()
    OPEN_PREVIOUS_OF_ANOTHER = auto()

    # Answers, flow and cancellation.

    # Answers, payment and agreement.
    TICK_BEFORE_ACCEPT = auto()
    TICK_BEYOND_DUE = auto()
    TICK_LINK_RANDOM = auto()
    TICK_LINK_OF_TICK_BEFORE = auto()
    TICK_LINK_TOO_FAR = auto()
    TICK_REPEATED = auto()
    TICK_LOWER = auto()
    TICK_ABOVE_CEILING = auto()
    TICKS_WITHHELD = auto()
    CREDIT_INSTEAD_OF_TICK = auto()
    CANCEL_TICKS_BEYOND_CHUNKS = auto()
    CANCEL_FEWER_CHUNKS_THAN_PAID = auto()
    CANCEL_LINK_RANDOM = auto()
    CANCEL_TICKS_LOWER = auto()
    CLAIM_WITHOUT_REQUEST = auto()
    CLAIM_BY_CONSUMER = auto()
    COUNTERSIGN_BEFORE_END = auto()
    COUNTERSIGN_FLIPPED = auto()
    COUNTERSIGN_BY_ANOTHER_KEY = auto()
    COUNTERSIGN_IN_CONTEXT_OF_CLOSE = auto()
    COUNTERSIGN_OF_ANOTHER_CLOSE = auto()
    COUNTERSIGN_WITHHELD = auto()
    COUNTERSIGN_LATE = auto()
    COUNTERSIGN_TWICE = auto()
    CLOSE_DISPUTED = auto()

    # The suite as responder and provider.
