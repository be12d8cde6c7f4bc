"""Tool calls in the formats that model families write them in, and the way back: `choose_format` picks one for a model.

A format is one small module: how calls are written into a prompt, which texts begin one, how one is read, and the
grammar of a call that must come. Nothing here raises over what a model wrote: what is no whole call of an offered tool
is text.
"""

from __future__ import annotations

from reference_node.engine.calls.format import Call, CallFormat
from reference_node.engine.calls.generic import GENERIC
from reference_node.engine.calls.hermes import HERMES
from reference_node.engine.calls.llama import LLAMA
from reference_node.engine.calls.mistral import MISTRAL
from reference_node.engine.calls.parser import CallParser

__all__ = ["GENERIC", "HERMES", "LLAMA", "MISTRAL", "Call", "CallFormat", "CallParser", "choose_format"]


def choose_format(template: str) -> CallFormat:
    """The format that a chat template writes calls in; the generic one for a template that knows no tools."""
    if "[TOOL_CALLS]" in template:
        return MISTRAL
    if "<tool_call>" in template:
        return HERMES
    if "<|python_tag|>" in template or ("<|start_header_id|>" in template and "parameters" in template):
        return LLAMA
    return GENERIC
