"""The one list of everything that the suite does wrong on purpose. A case commits one of these, or none."""

from __future__ import annotations

from enum import Enum, auto, unique


@unique
class Fault(Enum):
    """What is wrong. The tables of the scripts say how it is done."""

    # Transport.
    OTHER_ALPN = auto()

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
    TICKETS_SENT = auto()
    GREETING_NOT_SENT = auto()
    GREETING_OVERSIZED = auto()
    GREETING_NOT_SIGNED_OBJECT = auto()
    GREETING_BODY_NOT_DETERMINISTIC = auto()
    GREETING_MISSING_KEY = auto()
    GREETING_UNKNOWN_EVEN_KEY = auto()
    GREETING_UNKNOWN_ODD_KEY = auto()
    GREETING_INITIATOR_SHAPE = auto()
    GREETING_SIGNATURE_FLIPPED = auto()
    GREETING_SIGNED_BY_ANOTHER_KEY = auto()
    GREETING_SIGNED_IN_ANOTHER_CONTEXT = auto()
    GREETING_SMALL_ORDER_KEY = auto()
    GREETING_ROLE_OF_INITIATOR = auto()
    GREETING_OTHER_BINDING = auto()
    GREETING_CAPABILITIES_UNORDERED = auto()
    GREETING_VERSION_TOO_NEW = auto()
    GREETING_VERSION_TOO_OLD = auto()
    GREETING_OF_ANOTHER_NODE = auto()
    GREETING_TWICE = auto()
    MODELS_BEFORE_GREETING = auto()
    UNKNOWN_TYPE_BEFORE_GREETING = auto()
    REQUEST_BEFORE_GREETING = auto()
    MODELS_NOT_SENT = auto()
    QUOTE_MISSING_KEY = auto()
    QUOTE_UNKNOWN_KEY = auto()
    QUOTE_NOT_DETERMINISTIC = auto()
    QUOTE_OF_ANOTHER_PROVIDER = auto()
    QUOTE_SIGNATURE_FLIPPED = auto()
    QUOTE_SIGNED_IN_ANOTHER_CONTEXT = auto()
    RESPONDER_CONTROL_ENDED = auto()
    RESPONDER_CONTROL_RESET = auto()
    RESPONDER_CONTROL_FLOODED = auto()
    RESPONDER_UNKNOWN_EVEN_TYPE = auto()
    RESPONDER_STREAM_OF_NOBODY = auto()
    ANSWER_CHUNK_BEFORE_ACCEPT = auto()
    ANSWER_ACCEPT_TWICE = auto()
    ANSWER_UNKNOWN_EVEN_TYPE = auto()
    ANSWER_CHUNK_OVERSIZED = auto()
    ANSWER_CHUNK_NOT_DETERMINISTIC = auto()
    ANSWER_CHUNK_UNKNOWN_EVEN_KEY = auto()
    ANSWER_END_NOT_SIGNED_OBJECT = auto()
    INPUT_BEYOND_CONTEXT = auto()
    INPUT_BEYOND_CEILING = auto()
    OUTPUT_BEYOND_MAX_TOKENS = auto()
    OUTPUT_BEYOND_CEILING = auto()
    CHUNKS_BEYOND_CREDIT = auto()
    END_WITHHELD_AFTER_CANCEL = auto()
    CLOSE_NOT_DETERMINISTIC = auto()
    CLOSE_MISSING_KEY = auto()
    CLOSE_UNKNOWN_KEY = auto()
    CLOSE_UNKNOWN_FINISH = auto()
    CLOSE_SIGNATURE_EMPTY = auto()
    CLOSE_SIGNED_BY_ANOTHER_KEY = auto()
    CLOSE_SIGNED_IN_ANOTHER_CONTEXT = auto()
    CLOSE_CANCELLED_BY_NOBODY = auto()
    CLOSE_OF_ANOTHER_OPEN = auto()
    CLOSE_OF_ANOTHER_REQUEST = auto()
    CLOSE_OF_ANOTHER_ANSWER = auto()
    CLOSE_OF_ANOTHER_MODEL = auto()
    CLOSE_MORE_INPUT = auto()
    CLOSE_MORE_OUTPUT = auto()
    CLOSE_TOTAL_ONE_MORE = auto()
    CLOSE_TOTAL_ONE_LESS = auto()
    CLOSE_OTHER_SALT = auto()
    CLOSE_A_MILLION = auto()
    CLOSE_OF_NO_NUMBER = auto()
    CLOSE_BEYOND_WINDOW_AFTER_CANCEL = auto()
    CLOSE_MORE_CHUNKS_THAN_CANCEL = auto()
    PROVIDER_GONE_SILENTLY = auto()
    PROVIDER_OVERSTAYS_DEADLINE = auto()
    LEDGER_COUNTERSIGNATURE_FORGED = auto()
    LEDGER_CEILING_TOO_LOW = auto()
    LEDGER_NUMBER_OF_BEFORE_THE_CRASH = auto()
    LEDGER_NUMBER_OF_A_RECEIPT = auto()
    LEDGER_CEILING_BEYOND_ALLOWANCE = auto()
    LEDGER_ALLOWANCE_USED_BY_ANOTHER_KEY = auto()
    LEDGER_MODEL_WITHDRAWN = auto()
    LEDGER_CONSUMER_FORBIDDEN = auto()
    LEDGER_QUOTE_EXPIRED = auto()
    LEDGER_TICK_AFTER_CANCEL = auto()
