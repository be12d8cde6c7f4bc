"""Rows 22 and 29: who may ask, what every answer carries, and what health says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
import pytest

from .fakes import FakeNode, Scripted, info

if TYPE_CHECKING:
    from .conftest import Served, Starter

KEY = "myk-0123456789abcdef"


async def test_models_are_listed_with_the_default_one_first(start: Starter) -> None:
    api = await start(FakeNode([Scripted(info=info("b")), Scripted(info=info("org/a"))]))
    listed = (await api.sdk().models.list()).data
    assert [model.id for model in listed] == ["b", "org/a"]
    assert {model.object for model in listed} == {"model"}
    assert (await api.sdk().models.retrieve("org/a")).id == "org/a"
    for path in ("/models", "/v1/models"):
        assert [model["id"] for model in (await api.ask("GET", path)).json["data"]] == ["b", "org/a"]


async def test_health_is_503_with_progress_until_the_node_is_ready(start: Starter) -> None:
    api = await start(FakeNode(is_ready=False, status="starting"))
    for path in ("/health", "/v1/health"):
        reply = await api.ask("GET", path)
        assert reply.status == 503
        assert reply.headers["retry-after"] == "1"
        assert reply.json["progress"]["stage"] == "convert"
    api.node.is_ready = True
    reply = await api.ask("GET", "/health")
    assert reply.status == 200
    assert reply.json["api"] == api.where
    assert {"node_id", "quic", "status"} <= set(reply.json)


async def test_a_client_that_looks_whether_something_is_there_sees_it(start: Starter) -> None:
    api = await start(key=KEY)
    assert (await api.ask("GET", "/")).json["api"] == "/v1"
    assert (await api.ask("GET", "/v1/")).status == 401


async def test_with_a_key_nothing_but_health_is_said_without_it(start: Starter) -> None:
    api = await start(key=KEY)
    health = await api.ask("GET", "/health", host="anything.example")
    assert health.status == 200
    assert "peers" not in health.json
    assert "peers" in (await api.ask("GET", "/health", x_api_key=KEY)).json
    for path in ("/models", "/v1/models", "/peers", "/v1/models/fake-chat", "/nothing"):
        for wrong in ("", KEY[:-1], KEY + "x", "ключ"):
            reply = await api.ask("GET", path, authorization=f"Bearer {wrong}" if wrong else "")
            assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
            assert reply.headers["www-authenticate"] == "Bearer"
    assert (await api.chat()).status == 401
    assert (await api.ask("GET", "/models", x_api_key=KEY)).status == 200
    assert (await api.ask("GET", "/models", authorization=f"bearer {KEY}")).status == 200
    assert (await api.ask("GET", "/models", authorization=f"Basic {KEY}")).status == 401
    assert [model.id for model in (await api.sdk().models.list()).data] == ["fake-chat"]
    stranger = api.sdk().with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError):
        await stranger.models.list()


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:8420", "[::1]", "LOCALHOST"])
async def test_loopback_names_are_answered(api: Served, host: str) -> None:
    assert (await api.ask("GET", "/models", host=host)).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8420", "localhost.evil.example", "127.0.0.1.evil", "[::1].evil", "[::2]"]
)
async def test_other_names_are_not(api: Served, host: str) -> None:
    for path in ("/models", "/health"):
        reply = await api.ask("GET", path, host=host)
        assert (reply.status, reply.error["code"]) == (403, "wrong_host")


async def test_pages_of_other_origins_are_not_answered(api: Served) -> None:
    port = api.server.address.port
    for origin in ("https://evil.example", "null", f"http://evil.example:{port}", "http://localhost:1", "http://[", ""):
        reply = await api.ask("GET", "/models", origin=origin or "\t")
        assert (reply.status, reply.error["code"]) == (403, "wrong_origin")
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert (await api.ask("GET", "/models", origin=f"http://{api.where}")).status == 200


async def test_options_are_answered_and_grant_nothing(start: Starter) -> None:
    api = await start(key=KEY)
    reply = await api.ask(
        "OPTIONS", "/v1/chat/completions", origin="https://evil.example", access_control_request_method="POST"
    )
    assert reply.status == 204
    assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_every_answer_has_a_request_id(api: Served) -> None:
    mine = {"x_request_id": "mine-1.2_3"}
    for reply in (
        await api.ask("GET", "/health", **mine),
        await api.ask("GET", "/nothing", **mine),
        await api.ask("OPTIONS", "/models", **mine),
        await api.ask("GET", "/models", host="evil.example", **mine),
    ):
        assert reply.headers["x-request-id"] == "mine-1.2_3"
    assert (await api.chat(stream=True)).headers["x-request-id"]
    for wrong in ("x" * 65, "a b", 'a"b'):
        given = (await api.ask("GET", "/health", x_request_id=wrong)).headers["x-request-id"]
        assert given != wrong
        assert len(given) == 32


async def test_the_server_names_no_software(api: Served) -> None:
    assert "server" not in (await api.ask("GET", "/health")).headers
