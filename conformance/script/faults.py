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
    ITEM_TRUNCATED = auto()
    ITEM_TRAILING_BYTES = auto()
    ITEM_NOT_SHORTEST = auto()
    ITEM_KEY_ORDER = auto()
    ITEM_KEY_TYPE = auto()
    ITEM_FORBIDDEN_TYPE = auto()
    ITEM_INDEFINITE = auto()
    ITEM_BAD_UTF8 = auto()
    ITEM_TOO_DEEP = auto()
    ITEM_TOO_MANY_ITEMS = auto()
    ITEM_DRAWN = auto()
    SHAPE_NO_MAP = auto()
    SHAPE_MISSING_KEY = auto()
    SHAPE_OTHER_TYPE = auto()
    SHAPE_UNKNOWN_EVEN_KEY = auto()
    SHAPE_UNKNOWN_ODD_KEY = auto()
    LENGTH_NOT_SHORTEST = auto()
    TYPE_NOT_SHORTEST = auto()
    BODY_TOO_LARGE = auto()
    LENGTH_ENORMOUS = auto()
    UNFINISHED_TOO_MUCH = auto()
    FRAME_OUT_OF_STATE = auto()
    FRAME_BEFORE_HELLO = auto()
    FRAME_UNKNOWN_EVEN = auto()
    FRAME_UNKNOWN_FIRST = auto()
    FRAMES_UNKNOWN_TOO_MANY = auto()
    FIRST_FRAME_NO_REQUEST = auto()
    CAPABILITY_NOT_AGREED = auto()
    REQUEST_UNPINNED = auto()
    REQUEST_BEFORE_HELLO = auto()

    # Control streams.
    CONTROL_ENDED = auto()
    CONTROL_RESET = auto()
    CONTROL_STOPPED = auto()
    CONTROL_FLOODED = auto()
    STREAM_OF_NOBODY = auto()
    QUOTE_OF_ANOTHER_NODE = auto()
    QUOTE_SIGNATURE_FLIPPED = auto()

    # Requests, what is asked.

    # Requests, what is authorised.

    # Answers, flow and cancellation.

    # Answers, payment and agreement.

    # The suite as responder and provider.
