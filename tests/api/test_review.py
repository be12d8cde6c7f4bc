"""What a review found broken; each test fails until it is mended."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from .test_families import post, user

if TYPE_CHECKING:
    from .conftest import Served

LONG = "word " * 140_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": LONG}),
        ("/v1/responses", {"input": LONG}),
        ("/v1/embeddings", {"input": LONG}),
    ],
)
async def test_an_overflow_names_a_parameter_of_its_own_route(scripted: Served, path: str, body: dict[str, Any]) -> None:
    error = (await post(scripted, path, **body)).json["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["param"] in body


async def test_a_message_says_which_stop_sequence_ended_it(scripted: Served) -> None:
    said = base64.b64encode(b"abc STOP def").decode()
    reply = await post(
        scripted, "/v1/messages", max_tokens=50, messages=user(f"SAY_B64 {said}"), stop_sequences=["STOP"]
    )
    assert (reply.json["stop_reason"], reply.json["stop_sequence"]) == ("stop_sequence", "STOP")
