"""Tokenizing, figures, the description of the API, and the list of models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reference_node.api.app import AT_ONCE, GENERATING
from reference_node.api.describe import description

from .both import LOCAL, REMOTE, serve_scripted
from .fakes import FakeNode, raises
from .test_families import post, user

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    import pytest

    from .conftest import Served, Starter


async def test_tokens_there_and_back(scripted: Served, request: pytest.FixtureRequest) -> None:
    reply = await post(scripted, "/tokenize", prompt="hello world")
    if REMOTE in request.node.callspec.id:
        assert (reply.status, reply.error["code"]) == (400, "unsupported_operation")
        return
    assert reply.json["count"] == len(reply.json["tokens"]) > 0
    assert reply.json["max_model_len"] == 131_072
    back = await post(scripted, "/v1/detokenize", tokens=reply.json["tokens"])
    assert back.json["prompt"] == back.json["content"] == "hello world"
    assert (await scripted.ask("POST", "/tokenize", {"content": "hello world"})).json["count"] == reply.json["count"]
    assert (await post(scripted, "/tokenize", messages=user("hi"))).json["count"] > 0
    for wrong in ({}, {"prompt": "a", "content": "b"}, {"prompt": 7}):
        assert (await post(scripted, "/tokenize", **wrong)).status == 400
    for tokens in ([-1], ["a"], None):
        assert (await post(scripted, "/detokenize", tokens=tokens)).status == 400


async def test_figures_hold_counts_and_no_content(api: Served) -> None:
    canary = "canary-9d1"
    await api.chat(messages=[{"role": "user", "content": canary}])
    await api.chat(stream=True)
    await api.ask("GET", f"/{canary}")
    reply = await api.ask("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    assert canary not in text
    assert 'mycellm_answers_total{model="fake-chat"} 2' in text
    assert 'mycellm_tokens_total{model="fake-chat",kind="output"} 8' in text
    assert 'route="/chat/completions",method="POST",status="200"} 2' in text
    assert "mycellm_requests_running 0" in text
    line = re.compile(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"\n]*",?)+\})? [0-9.e+-]+')
    assert all(line.fullmatch(each) for each in text.splitlines())


async def test_figures_are_the_owners(start: Starter) -> None:
    api = await start(key="myk-0123456789abcdef")
    assert (await api.ask("GET", "/metrics")).status == 401
    assert (await api.ask("GET", "/metrics", x_api_key="myk-0123456789abcdef")).status == 200


async def test_models_have_the_keys_of_both_families(api: Served) -> None:
    listed = (await api.ask("GET", "/v1/models")).json
    assert listed["has_more"] is False
    assert (listed["first_id"], listed["last_id"]) == ("fake-chat", "fake-chat")
    assert {"id", "object", "created", "owned_by", "type", "display_name", "created_at"} <= set(listed["data"][0])
    empty = FakeNode(generators=[])
    assert empty.models() == []


async def test_the_description_matches_what_is_served(api: Served) -> None:
    """Every path and method that is described is there, every route is described, and so is each checked field."""
    described = (await api.ask("GET", "/openapi.json")).json
    assert described == description()
    paths = described["paths"]
    assert {path for path, item in paths.items() if "post" in item} == {*GENERATING, *AT_ONCE}
    for path, item in paths.items():
        for prefix in ("", "/v1"):
            for method in item:
                reply = await api.ask(method.upper(), prefix + path.format(model_id="fake-chat"))
                assert str(reply.status) in item[method]["responses"], (method, path, reply.status)
    for method, path in (("GET", "/tokenize"), ("PUT", "/models"), ("DELETE", "/responses")):
        assert (await api.ask(method, path)).status == 405


async def test_each_described_field_is_checked_or_refused(api: Served) -> None:
    """A value of a kind that nothing takes is refused at every field that is described, but for free ones."""
    good: dict[str, dict[str, Any]] = {
        "/chat/completions": {"messages": user("hi")},
        "/completions": {"prompt": "hi"},
        "/embeddings": {"input": "hi"},
        "/responses": {"input": "hi"},
        "/messages": {"messages": user("hi"), "max_tokens": 9},
    }
    schemas = description()["components"]["schemas"]
    for path, body in good.items():
        api.play(raises(AssertionError("asked"), started=False))
        reference = description()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for name, schema in schemas[reference.rpartition("/")[2]]["properties"].items():
            if schema.get("description") == "Accepted, and without effect.":
                continue
            reply = await api.ask("POST", path, {"model": "fake-chat"} | body | {name: [["no such value"]]})
            assert reply.status == 400, (path, name)
            message = str(reply.error.get("param") or reply.error["message"])
            assert name in message, (path, name, reply.json)


async def test_the_node_of_a_peer_says_about_how_many_tokens(tmp_path: Path, stack: AsyncExitStack) -> None:
    local = await serve_scripted(stack, tmp_path / "1", LOCAL)
    remote = await serve_scripted(stack, tmp_path / "2", REMOTE)
    counts = [
        (await post(each, "/v1/messages/count_tokens", messages=user("word " * 100))).json["input_tokens"]
        for each in (local, remote)
    ]
    assert 0.5 < counts[0] / counts[1] < 2
