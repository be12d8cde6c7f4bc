"""Contents of a REQUEST that a provider must refuse: what each `Fault` of them changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import dcbor
from conformance.data import limit
from conformance.dcbor import Item

from .asking import Draft, Edits
from .faults import Fault

_MILLION = 1_000_000


def _set(key: int, value: Item) -> Edits:
    """An honest content with another value under ``key``."""

    def change(draft: Draft) -> None:
        draft.content = {**draft.content, key: value}

    return Edits(content=change)


def _without(key: int) -> Edits:
    """An honest content without ``key``."""

    def change(draft: Draft) -> None:
        draft.content = {each: value for each, value in draft.content.items() if each != key}

    return Edits(content=change)


def _message(**changes: Item) -> Edits:
    """An honest content whose one message has other values under k0, k1 and so on; None takes the key away."""
    message = {0: 2, 1: "Hello."} | {int(key[1:]): value for key, value in changes.items()}
    return _set(2, [{key: value for key, value in message.items() if value is not None}])


_USER: dict[int, Item] = {0: 2, 1: "What is 2 and 2?"}


def _call(identity: str) -> dict[int, Item]:
    return {0: identity, 1: "f", 2: "{}"}


_CALLED: dict[int, Item] = {0: 3, 1: "", 2: [_call("1")]}


def _bytes(change: Callable[[bytes], bytes]) -> Edits:
    """The bytes of an honest content, changed; the commitment in the open is over what comes of it."""

    def edit(draft: Draft) -> None:
        draft.encoded = change(draft.encoded)

    return Edits(encoded=edit)


def _appended(entry: str) -> Edits:
    """An honest content, and one more entry behind the others whose bytes no honest writer makes."""

    def change(encoded: bytes) -> bytes:
        assert encoded[0] >> 5 == 5  # a map of fewer than 23 entries
        return bytes((encoded[0] + 1,)) + encoded[1:] + bytes.fromhex(entry)

    return _bytes(change)


def _other(draft: Draft) -> None:
    draft.content = {0: 4242, 2: "whatever this operation takes"}


def _not_a_map(draft: Draft) -> None:
    draft.encoded = dcbor.encode([draft.content])


def _descending(draft: Draft) -> None:
    draft.encoded = bytes((0xA0 + len(draft.content),)) + b"".join(
        dcbor.encode(key) + dcbor.encode(value) for key, value in sorted(draft.content.items(), reverse=True)
    )


CONTENTS: Mapping[Fault, Edits] = {
    Fault.CONTENT_EMPTY: _bytes(lambda _: b""),
    Fault.CONTENT_TRUNCATED: _bytes(lambda encoded: encoded[:-1]),
    Fault.CONTENT_TRAILING_BYTES: _bytes(lambda encoded: encoded + b"\0"),
    Fault.CONTENT_NOT_SHORTEST: _appended("0c1800"),
    Fault.CONTENT_KEYS_DESCENDING: Edits(encoded=_descending),
    Fault.CONTENT_KEY_TWICE: _appended("0600"),
    Fault.CONTENT_TEXT_KEY: _appended("64736565640c"),
    Fault.CONTENT_NAN: _appended("09f97e00"),
    Fault.CONTENT_FLOAT: _appended("07fb3feccccccccccccd"),
    Fault.CONTENT_TAGGED: _appended("0cc10c"),
    Fault.CONTENT_INDEFINITE: _bytes(lambda encoded: b"\xbf" + encoded[1:] + b"\xff"),
    Fault.CONTENT_BAD_UTF8: _appended("184163eda080"),
    Fault.CONTENT_TOO_DEEP: _appended("1841" + "81" * limit("MAX_DEPTH") + "00"),
    Fault.CONTENT_TOO_MANY_ITEMS: _appended("18419a00010000" + "00" * limit("MAX_ITEMS")),
    Fault.CONTENT_NOT_A_MAP: Edits(encoded=_not_a_map),
    Fault.CONTENT_WITHOUT_OPERATION: _without(0),
    Fault.CONTENT_WITHOUT_MODEL: _without(1),
    Fault.CONTENT_WITHOUT_MESSAGES: _without(2),
    Fault.CONTENT_WITHOUT_MAX_TOKENS: _without(3),
    Fault.CONTENT_WITHOUT_DEADLINE: _without(4),
    Fault.CONTENT_UNKNOWN_EVEN_KEY: _set(32, 1),
    Fault.CONTENT_OPERATION_TEXT: _set(0, "chat"),
    Fault.CONTENT_OPERATION_UNKNOWN: _set(0, 4),
    Fault.CONTENT_OPERATION_ZERO: _set(0, 0),
    Fault.CONTENT_OPERATION_NEGATIVE: _set(0, -1),
    Fault.CONTENT_OF_ANOTHER_OPERATION: Edits(content=_other),
    Fault.CONTENT_MODEL_EMPTY: _set(1, ""),
    Fault.CONTENT_MODEL_TOO_LONG: _set(1, "m" * (limit("MAX_MODEL_ID") + 1)),
    Fault.CONTENT_MESSAGES_EMPTY: _set(2, []),
    Fault.CONTENT_MESSAGES_TOO_MANY: _set(2, [{0: 2, 1: ""}] * (limit("MAX_MESSAGES") + 1)),
    Fault.CONTENT_MESSAGE_WITHOUT_ROLE: _message(k0=None),
    Fault.CONTENT_MESSAGE_WITHOUT_CONTENT: _message(k1=None),
    Fault.CONTENT_MESSAGE_BYTES: _message(k1=b"Hello."),
    Fault.CONTENT_MESSAGE_UNKNOWN_EVEN_KEY: _message(k10=0),
    Fault.CONTENT_ROLE_ZERO: _message(k0=0),
    Fault.CONTENT_ROLE_UNKNOWN: _message(k0=5),
    Fault.CONTENT_MAX_TOKENS_ZERO: _set(3, 0),
    Fault.CONTENT_MAX_TOKENS_TOO_MANY: _set(3, limit("MAX_TOKENS") + 1),
    Fault.CONTENT_MAX_TOKENS_TRUE: _set(3, value=True),
    Fault.CONTENT_DEADLINE_ZERO: _set(4, 0),
    Fault.CONTENT_DEADLINE_TOO_LONG: _set(4, limit("MAX_DEADLINE_MS") + 1),
    Fault.CONTENT_STOP_EMPTY: _set(5, []),
    Fault.CONTENT_STOP_TOO_MANY: _set(5, [f"stop {number}" for number in range(limit("MAX_STOP_SEQUENCES") + 1)]),
    Fault.CONTENT_STOP_SEQUENCE_EMPTY: _set(5, [""]),
    Fault.CONTENT_STOP_SEQUENCE_TOO_LONG: _set(5, ["s" * (limit("MAX_STOP_SEQUENCE") + 1)]),
    Fault.CONTENT_TEMPERATURE_NULL: _set(6, None),
    Fault.CONTENT_TEMPERATURE_NEGATIVE: _set(6, -1),
    Fault.CONTENT_TEMPERATURE_TOO_HIGH: _set(6, 2 * _MILLION + 1),
    Fault.CONTENT_TOP_P_ZERO: _set(7, 0),
    Fault.CONTENT_TOP_P_TOO_HIGH: _set(7, _MILLION + 1),
    Fault.CONTENT_TOP_K_NEGATIVE: _set(8, -1),
    Fault.CONTENT_TOP_K_TOO_HIGH: _set(8, limit("MAX_TOKENS") + 1),
    Fault.CONTENT_MIN_P_NEGATIVE: _set(9, -1),
    Fault.CONTENT_MIN_P_TOO_HIGH: _set(9, _MILLION + 1),
    Fault.CONTENT_PRESENCE_PENALTY_TOO_LOW: _set(10, -2 * _MILLION - 1),
    Fault.CONTENT_PRESENCE_PENALTY_TOO_HIGH: _set(10, 2 * _MILLION + 1),
    Fault.CONTENT_FREQUENCY_PENALTY_TOO_LOW: _set(11, -2 * _MILLION - 1),
    Fault.CONTENT_FREQUENCY_PENALTY_TOO_HIGH: _set(11, 2 * _MILLION + 1),
    Fault.CONTENT_SEED_NEGATIVE: _set(12, -1),
    Fault.CONTENT_REPETITION_PENALTY_ZERO: _set(14, 0),
    Fault.CONTENT_LOGIT_BIAS_EMPTY: _set(16, []),
    Fault.CONTENT_LOGIT_BIAS_TOO_HIGH: _set(16, [[1, 100 * _MILLION + 1]]),
    Fault.CONTENT_LOGIT_BIAS_DESCENDING: _set(16, [[2, 0], [1, 0]]),
    Fault.CONTENT_LOGIT_BIAS_TWICE: _set(16, [[1, 0], [1, _MILLION]]),
    Fault.CONTENT_TOP_LOGPROBS_TOO_MANY: _set(18, 21),
    Fault.CONTENT_TOOLS_EMPTY: _set(20, []),
    Fault.CONTENT_TOOL_WITHOUT_NAME: _set(20, [{1: "Adds."}]),
    Fault.CONTENT_TOOL_NAME_TOO_LONG: _set(20, [{0: "f" * 129}]),
    Fault.CONTENT_TOOL_PARAMETERS_MAP: _set(20, [{0: "f", 2: {}}]),
    Fault.CONTENT_TOOL_TWICE: _set(20, [{0: "f"}, {0: "f"}]),
    Fault.CONTENT_TOOL_CHOICE_UNKNOWN: _set(22, 3),
    Fault.CONTENT_TOOL_CHOICE_OF_NO_TOOL: _set(22, "f"),
    Fault.CONTENT_TOOL_CHOICE_WITHOUT_TOOLS: _set(22, 2),
    Fault.CONTENT_PARALLEL_TOOL_CALLS_ONE: _set(24, 1),
    Fault.CONTENT_RESPONSE_FORMAT_NUMBER: _set(26, 1),
    Fault.CONTENT_RESPONSE_FORMAT_SCHEMA_MAP: _set(26, {0: {}}),
    Fault.CONTENT_REASONING_EFFORT_UNKNOWN: _set(28, 6),
    Fault.CONTENT_CALLS_TOO_MANY: _set(2, [_USER, {0: 3, 1: "", 2: [_call(str(n)) for n in range(65)]}]),
    Fault.CONTENT_CALLS_OF_A_USER: _set(2, [{**_USER, 2: [_call("1")]}]),
    Fault.CONTENT_REASONING_OF_A_USER: _set(2, [{**_USER, 8: "hm"}]),
    Fault.CONTENT_CALL_ID_TWICE: _set(2, [_USER, {0: 3, 1: "", 2: [_call("1")] * 2}]),
    Fault.CONTENT_RESULT_WITHOUT_CALL_ID: _set(2, [_USER, _CALLED, {0: 4, 1: "4"}]),
    Fault.CONTENT_RESULT_OF_NO_CALL: _set(2, [_USER, {0: 4, 1: "4", 4: "1"}]),
}
"""What each fault changes in an honest draft."""
