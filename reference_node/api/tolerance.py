"""What of a request is left out for a model that cannot use it, so that clients work which send it to every model.

These change how an answer comes about and never what it may be: an effort for a model that does not reason, names of
speakers where the template shows none, a promise to obey a schema where the model's calls are taken as they
come. Everything else that a model cannot do is refused by its name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mycellm_proto.content import ChatRequest
from mycellm_proto.errors import ErrorCode

from ..generation import GenerationError, check_abilities
from .errors import from_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mycellm_proto.content import Content

    from ..generation import Event, Generator


def _without_effort(request: ChatRequest) -> ChatRequest:
    return replace(request, reasoning_effort=None)


def _without_names(request: ChatRequest) -> ChatRequest:
    return replace(request, messages=tuple(replace(each, name=None) for each in request.messages))


def _without_promises(request: ChatRequest) -> ChatRequest:
    return replace(request, tools=tuple(replace(each, strict=None) for each in request.tools))


TOLERATED = {
    "reasoning_effort": _without_effort,
    "messages.name": _without_names,
    "tools.strict": _without_promises,
}
"""By the name of a feature: the same request without it."""


def tolerant(generator: Generator, request: Content) -> AsyncGenerator[Event, None]:
    """The generation of ``request``, as far as the model can do it. Raises `ApiError` for what it cannot.

    What a model on this machine can do is known before; a peer refuses, and is asked again for less.
    """
    while True:
        try:
            check_abilities(generator.info, request)
        except GenerationError as error:
            if (lesser := _lesser(request, error)) is None:
                raise from_generation(error) from None
            request = lesser
        else:
            return _asked_again(generator, request) if _may_lessen(request) else generator.generate(request)


def _lesser(request: Content, error: GenerationError) -> Content | None:
    """The request without what was refused; None where that cannot be left out."""
    if error.code is not ErrorCode.UNSUPPORTED or not isinstance(request, ChatRequest):
        return None
    lessen = TOLERATED.get(error.parameter or "")
    lesser = request if lessen is None else lessen(request)
    return None if lesser == request else lesser


def _may_lessen(request: Content) -> bool:
    return isinstance(request, ChatRequest) and any(lessen(request) != request for lessen in TOLERATED.values())


async def _asked_again(generator: Generator, request: Content) -> AsyncGenerator[Event, None]:
    while True:
        events, begun = generator.generate(request), False
        try:
            async for event in events:
                begun = True
                yield event
            return
        except GenerationError as error:
            lesser = None if begun else _lesser(request, error)
            if lesser is None:
                raise
            request = lesser
        finally:
            await events.aclose()
