"""The three contents of a request, in the notation of the family ``content``."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from conformance.answers import COMPLETE, EMBED
from conformance.dcbor import Item

from .outcome import Json

_ROLES = {1: "SYSTEM", 2: "USER", 3: "ASSISTANT", 4: "TOOL"}
_EFFORTS = ("NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "EXTRA_HIGH")
_SAMPLING = {
    6: "temperature", 7: "top_p", 8: "top_k", 9: "min_p", 10: "presence_penalty", 11: "frequency_penalty",
    12: "seed", 14: "repetition_penalty", 16: "logit_bias",
}  # fmt: skip
_TOOL = {0: "name", 1: "description", 2: "parameters", 3: "strict"}
_FORMAT = {0: "schema", 1: "name", 2: "description", 3: "strict"}


def shown(content: Item) -> dict[str, Json]:
    """A content that has its shape."""
    if content[0] == EMBED:
        inputs = [_prompt(each) for each in content[2]]
        named = _named({1: "model", 4: "deadline_ms", 30: "dimensions"}, content)
        return {"operation": "EMBED", "inputs": inputs, **named}
    made = _named({1: "model", 3: "max_tokens", 4: "deadline_ms", 18: "top_logprobs"}, content)
    made |= {"stop": content.get(5, []), "sampling": _named(_SAMPLING, content)}
    if 12 in content:
        made["sampling"]["seed"] = str(content[12])
    if content[0] == COMPLETE:
        return {"operation": "COMPLETE", "prompt": _prompt(content[2]), **made}
    made |= _named({22: "tool_choice", 24: "parallel_tool_calls"}, content)
    if 20 in content:
        made["tools"] = [_named(_TOOL, each) for each in content[20]]
    if 26 in content:
        made["response_format"] = _named(_FORMAT, content[26])
    if 28 in content:
        made["reasoning_effort"] = _EFFORTS[content[28]]
    return {"operation": "CHAT", "messages": [_message(each) for each in content[2]], **made}


def _message(message: Item) -> dict[str, Json]:
    made = _named({1: "content", 4: "call_id", 6: "name", 8: "reasoning"}, message) | {"role": _ROLES[message[0]]}
    if 2 in message:
        made["calls"] = [_named({0: "id", 1: "name", 2: "arguments"}, each) for each in message[2]]
    return made


def _prompt(prompt: Item) -> Json:
    return prompt if isinstance(prompt, str) else list(struct.unpack(f"<{len(prompt) // 4}I", prompt))


def _named(names: Mapping[int, str], value: Item) -> dict[str, Json]:
    return {name: value[key] for key, name in names.items() if key in value}
