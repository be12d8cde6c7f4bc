"""The parameters of ``ask``: from the lines of the harness to a request."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mycellm_proto.content import ReasoningEffort, ResponseFormat, Sampling, Tool, ToolMode

_SAMPLING = tuple(field.name for field in fields(Sampling))
_OTHERS = (
    "stop", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort",
)  # fmt: skip
PARAMETERS = (*_SAMPLING, *_OTHERS)
"""What ``ask`` takes."""


def wished(parameters: dict[str, Any]) -> dict[str, Any]:
    """The fields of a `ChatRequest` beside its conversation and its bounds."""
    sampling = {name: value for name, value in parameters.items() if name in _SAMPLING}
    if "logit_bias" in sampling:
        sampling["logit_bias"] = tuple((token, bias) for token, bias in sampling["logit_bias"])
    made = {name: value for name, value in parameters.items() if name in _OTHERS} | {"sampling": Sampling(**sampling)}
    made["stop"] = tuple(parameters.get("stop", ()))
    made["tools"] = tuple(Tool(**each) for each in parameters.get("tools", ()))
    if isinstance(choice := made.get("tool_choice"), int):
        made["tool_choice"] = ToolMode(choice)
    if "response_format" in made:
        made["response_format"] = ResponseFormat(**made["response_format"])
    if "reasoning_effort" in made:
        made["reasoning_effort"] = ReasoningEffort[made["reasoning_effort"]]
    return made
