"""Whose engine a backend is, as far as its list of models says, and so which parameters it applies.

A parameter that an engine would ignore in silence is not among a model's abilities: it is refused by name. What an
engine rejects itself is refused then, by name where it says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mycellm_proto.content import Operation
from mycellm_proto.features import FEATURES
from reference_node.generation import Abilities

STANDARD = FEATURES - {"top_k", "min_p", "repetition_penalty", "messages.reasoning"}
"""OpenAI's own parameters: what any such API is expected to apply."""
OLLAMA = STANDARD - {"logit_bias", "tool_choice", "parallel_tool_calls", "tools.strict", "prompt.tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """``parameters`` are what it applies (names of FEATURES); ``penalty`` is its name of the repetition penalty.

    With ``counting`` it can tell the tokens so far with every chunk; with ``salted`` its prefix cache can be kept apart
    by a salt; with ``beside`` it tells its context beside its API.
    """

    name: str
    parameters: frozenset[str] = STANDARD
    penalty: str = "repetition_penalty"
    counting: bool = False
    salted: bool = False
    beside: bool = False


GENERIC = Dialect(name="openai")
NODE = Dialect(name="mycellm", parameters=FEATURES)
BY_OWNER: Mapping[str, Dialect] = {
    "vllm": Dialect(name="vllm", parameters=FEATURES, counting=True, salted=True),
    "sglang": Dialect(name="sglang", parameters=FEATURES, counting=True),
    "llamacpp": Dialect(name="llama.cpp", parameters=FEATURES, penalty="repeat_penalty", beside=True),
    "library": Dialect(name="ollama", parameters=OLLAMA),
}
"""By ``owned_by`` in the list of models."""


def dialect_of(model: Mapping[str, Any]) -> Dialect:
    """The dialect of a model as it is listed."""
    if isinstance(model.get("operations"), list) and "max_model_len" in model:
        return NODE
    owner = model.get("owned_by")
    return BY_OWNER.get(owner, GENERIC) if isinstance(owner, str) else GENERIC


def abilities_of(model: Mapping[str, Any], dialect: Dialect, *, embeds: bool) -> Abilities:
    """What a model does: what it lists itself, or to embed where the owner says so, otherwise to chat and complete."""
    listed = model.get("operations") if dialect is NODE else None
    named = {operation.name.lower(): operation for operation in Operation}
    operations = frozenset(named[each] for each in listed or () if isinstance(each, str) and each in named)
    if embeds:
        operations = frozenset((Operation.EMBED,))
    elif not operations:
        operations = frozenset((Operation.CHAT, Operation.COMPLETE))
    return Abilities(operations=operations, parameters=dialect.parameters)
