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
    CONTENT_EMPTY = auto()
    CONTENT_TRUNCATED = auto()
    CONTENT_TRAILING_BYTES = auto()
    CONTENT_NOT_SHORTEST = auto()
    CONTENT_KEYS_DESCENDING = auto()
    CONTENT_KEY_TWICE = auto()
    CONTENT_TEXT_KEY = auto()
    CONTENT_NAN = auto()
    CONTENT_FLOAT = auto()
    CONTENT_TAGGED = auto()
    CONTENT_INDEFINITE = auto()
    CONTENT_BAD_UTF8 = auto()
    CONTENT_TOO_DEEP = auto()
    CONTENT_TOO_MANY_ITEMS = auto()
    CONTENT_NOT_A_MAP = auto()
    CONTENT_WITHOUT_OPERATION = auto()
    CONTENT_WITHOUT_MODEL = auto()
    CONTENT_WITHOUT_MESSAGES = auto()
    CONTENT_WITHOUT_MAX_TOKENS = auto()
    CONTENT_WITHOUT_DEADLINE = auto()
    CONTENT_UNKNOWN_EVEN_KEY = auto()
    CONTENT_OPERATION_TEXT = auto()
    CONTENT_OPERATION_UNKNOWN = auto()
    CONTENT_OPERATION_ZERO = auto()
    CONTENT_OPERATION_NEGATIVE = auto()
    CONTENT_OF_ANOTHER_OPERATION = auto()
    CONTENT_MODEL_EMPTY = auto()
    CONTENT_MODEL_TOO_LONG = auto()
    CONTENT_MESSAGES_EMPTY = auto()
    CONTENT_MESSAGES_TOO_MANY = auto()
    CONTENT_MESSAGE_WITHOUT_ROLE = auto()
    CONTENT_MESSAGE_WITHOUT_CONTENT = auto()
    CONTENT_MESSAGE_BYTES = auto()
    CONTENT_MESSAGE_UNKNOWN_EVEN_KEY = auto()
    CONTENT_ROLE_ZERO = auto()
    CONTENT_ROLE_UNKNOWN = auto()
    CONTENT_MAX_TOKENS_ZERO = auto()
    CONTENT_MAX_TOKENS_TOO_MANY = auto()
    CONTENT_MAX_TOKENS_TRUE = auto()
    CONTENT_DEADLINE_ZERO = auto()
    CONTENT_DEADLINE_TOO_LONG = auto()
    CONTENT_STOP_EMPTY = auto()
    CONTENT_STOP_TOO_MANY = auto()
    CONTENT_STOP_SEQUENCE_EMPTY = auto()
    CONTENT_STOP_SEQUENCE_TOO_LONG = auto()
    CONTENT_TEMPERATURE_NULL = auto()
    CONTENT_TEMPERATURE_NEGATIVE = auto()
    CONTENT_TEMPERATURE_TOO_HIGH = auto()
    CONTENT_TOP_P_ZERO = auto()
    CONTENT_TOP_P_TOO_HIGH = auto()
    CONTENT_TOP_K_NEGATIVE = auto()
    CONTENT_TOP_K_TOO_HIGH = auto()
    CONTENT_MIN_P_NEGATIVE = auto()
    CONTENT_MIN_P_TOO_HIGH = auto()
    CONTENT_PRESENCE_PENALTY_TOO_LOW = auto()
    CONTENT_PRESENCE_PENALTY_TOO_HIGH = auto()
    CONTENT_FREQUENCY_PENALTY_TOO_LOW = auto()
    CONTENT_FREQUENCY_PENALTY_TOO_HIGH = auto()
    CONTENT_SEED_NEGATIVE = auto()
    PROMPT_BEYOND_CONTEXT = auto()
    REQUEST_UNFINISHED = auto()
    REQUEST_ENDED_BEFORE_ITS_LAST_BYTE = auto()

    # Requests, what is authorised.

    # Answers, flow and cancellation.
    CANCEL_OF_CHUNKS_NOT_SENT = auto()
    CANCEL_OF_ONE_CHUNK_MORE = auto()
    CANCEL_TWICE = auto()
    STREAM_ENDED_WITH_REQUEST = auto()
    STREAM_ENDED_EARLY = auto()
    STREAM_ENDED_INSIDE_FRAME = auto()
    STREAM_RESET_EARLY = auto()
    STREAM_STOPPED_EARLY = auto()
    CREDIT_STEP_TOO_SMALL = auto()
    CREDIT_REPEATED = auto()
    CREDIT_LOWERED = auto()
    CREDIT_TOO_FAR = auto()
    CREDIT_ONE_BYTE_TOO_FAR = auto()
    CREDIT_WITHOUT_BOUND = auto()
    STREAM_BEYOND_MOST = auto()
    STREAMS_SKIPPED_TOO_MANY = auto()
    BYTES_FOR_STREAM_THAT_IS_OVER = auto()
    TICKS_WITHHELD = auto()
    TICKS_WITHHELD_BEHIND_CREDIT = auto()
    CREDIT_WITHHELD = auto()
    PROMPT_NOT_PAID = auto()

    # Answers, payment and agreement.

    # The suite as responder and provider.
