"""Keys with limits: made on the command line, enforced by the node that runs."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from typing import TYPE_CHECKING

import pytest

from reference_node.apikeys import KEYS_FILE, KeyRing, KeyStore, KeyStoreError, LimitError, Limits
from reference_node.apikeys.store import DAY_S
from reference_node.cli import main
from reference_node.identity import HomeError

from .fakes import Endless, FakeNode, Scripted, info

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Reply, Served, Starter

OWNER = "myk-0123456789abcdef"


def create(home: Path, name: str = "friend", **limits: object) -> str:
    with KeyStore.open(home) as store:
        return store.create(name, Limits(**limits))[1]  # type: ignore[arg-type]


async def chat(api: Served, key: str, **fields: object) -> Reply:
    body = {"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8} | fields
    return await api.ask("POST", "/v1/chat/completions", body, x_api_key=key)


async def test_from_the_first_key_on_everybody_needs_one(start: Starter) -> None:
    api = await start()
    home = start.settings.home
    assert (await api.chat()).status == 200
    key = create(home)
    assert (await api.chat()).status == 401
    assert (await chat(api, "myk-wrong")).status == 401
    assert (await chat(api, key)).status == 200
    assert (await api.ask("GET", "/health")).status == 200
    assert "peers" not in (await api.ask("GET", "/health", x_api_key=key)).json
    for path in ("/peers", "/metrics"):
        assert (await api.ask("GET", path, x_api_key=key)).status == 403
    anthropic = await api.ask("POST", "/v1/messages", {})
    assert (anthropic.status, anthropic.error["type"]) == (401, "authentication_error")
    with KeyStore.open(home) as store:
        store.revoke("friend")
    assert (await chat(api, key)).status == 401
    assert (await api.chat()).status == 401  # a revoked key does not open the door to all


async def test_keys_that_cannot_be_read_let_nobody_in(start: Starter) -> None:
    api = await start()
    key = create(start.settings.home)
    assert (await chat(api, key)).status == 200
    with sqlite3.connect(start.settings.home / KEYS_FILE) as database:
        database.execute("DROP TABLE usage")
    assert (await chat(api, key)).error["code"] == "keys_unusable"
    with sqlite3.connect(start.settings.home / KEYS_FILE) as database:
        database.execute("DROP TABLE keys")
    for presented in (key, "", "myk-other"):
        reply = await api.ask("GET", "/v1/models", x_api_key=presented)
        assert (reply.status, reply.error["code"]) == (503, "keys_unusable")
    database.close()


async def test_each_key_has_a_share_of_its_own_of_what_engines_keep(start: Starter) -> None:
    api = await start(key=OWNER)
    first, second = create(start.settings.home, "a"), create(start.settings.home, "b")
    for key in (OWNER, first, second):
        assert (await chat(api, key)).status == 200
    owners = api.node.owners
    assert owners[0] is None
    assert len(set(owners)) == 3


async def test_requests_a_minute_are_limited(start: Starter) -> None:
    api = await start(key=OWNER)
    key = create(start.settings.home, requests_per_minute=2)
    replies = [await chat(api, key) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert 1 <= int(replies[2].headers["retry-after"]) <= 60
    assert replies[2].error["type"] == "rate_limit_error"
    count = await api.ask("POST", "/v1/messages/count_tokens", {}, x_api_key=key)
    assert (count.status, count.json["type"]) == (429, "error")
    assert (await chat(api, OWNER)).status == 200


async def test_tokens_a_day_are_limited_and_the_last_answer_is_cut_to_them(start: Starter) -> None:
    api = await start(key=OWNER)
    key = create(start.settings.home, tokens_per_day=12)
    assert (await chat(api, key)).status == 200  # 5 + 3 deltas of one token each
    assert (await chat(api, key)).status == 200
    assert [request.max_tokens for request in api.model.requests] == [8, 4]
    refused = await chat(api, key)
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= DAY_S
    with KeyStore.open(start.settings.home) as store:
        [found] = store.keys()
        requests, tokens = store.used(found.id, int(time.time() // DAY_S))
    assert (requests, tokens) == (3, 16)


async def test_an_answer_that_is_left_is_paid_for(start: Starter) -> None:
    api = await start(key=OWNER)
    key = create(start.settings.home, tokens_per_day=1000)
    endless = Endless("a", "b")
    api.play(endless)
    _, writer = await api.connect()
    body = b'{"model":"fake-chat","messages":[{"role":"user","content":"x"}],"stream":true}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {api.where}\r\nx-api-key: {key}\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await endless.silent.wait()
    writer.close()
    await endless.closed.wait()
    await start.aclose()
    start.running.clear()
    with KeyStore.open(start.settings.home) as store:
        assert store.used(store.keys()[0].id, int(time.time() // DAY_S)) == (1, 7)


async def test_a_key_sees_and_uses_its_models_alone(start: Starter) -> None:
    api = await start(FakeNode([Scripted(), Scripted(info=info("other"))]), key=OWNER)
    key = create(start.settings.home, models=frozenset({"other"}))
    assert [model["id"] for model in (await api.ask("GET", "/v1/models", x_api_key=key)).json["data"]] == ["other"]
    refused = await chat(api, key)
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    assert (await chat(api, key, model="other")).status == 200
    assert (await chat(api, key, model="gpt-4o")).json["model"] == "other"
    unknown = await chat(api, key, model="none")
    assert "fake-chat" not in unknown.error["message"]


def test_a_minute_slides_and_a_day_ends(tmp_path: Path) -> None:
    key = create(tmp_path, requests_per_minute=1, tokens_per_day=10)
    now, clock = [1000.0], [0.0]
    ring = KeyRing(tmp_path, now=lambda: now[0], clock=lambda: clock[0])
    use = ring.find(key)
    assert use is not None
    use.begin()
    with pytest.raises(LimitError) as caught:
        use.begin()
    assert caught.value.retry_after == 60
    clock[0] = 60
    use.begin()
    assert use.reserve(100) == 10
    with pytest.raises(LimitError):
        use.reserve(1)
    use.spend(4)
    use.end()
    assert use.reserve(100) == 6
    use.end()
    now[0] += DAY_S
    assert use.reserve(100) == 10
    use.end()
    ring.close()
    again = KeyRing(tmp_path, now=lambda: 1000.0)
    found = again.find(key)
    assert found is not None
    assert found.reserve(100) == 6  # a node that starts anew remembers the day
    again.close()


def test_keys_are_kept_hashed_for_their_owner_alone(tmp_path: Path) -> None:
    key = create(tmp_path)
    path = tmp_path / KEYS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for file in tmp_path.glob(f"{KEYS_FILE}*"):
        assert key.encode() not in file.read_bytes()
    with pytest.raises(KeyStoreError, match="friend"):
        create(tmp_path)
    path.chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        KeyStore.open(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"no database" * 99)
    for file in tmp_path.glob(f"{KEYS_FILE}-*"):
        file.unlink()
    with pytest.raises(KeyStoreError, match="Restore it"):
        KeyStore.open(tmp_path)


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path), "--json"]
    limits = ["--requests-per-minute", "5", "--tokens-per-day", "100", "--only-model", "m"]
    assert main(["apikeys", "create", "bob", *limits, *home]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"].startswith("myk-")
    assert (tmp_path / "api.key").exists()
    assert main(["apikeys", *home]) == 0
    [listed] = json.loads(capsys.readouterr().out)["keys"]
    assert "key" not in listed
    assert (listed["requests_per_minute"], listed["tokens_per_day"], listed["models"]) == (5, 100, ["m"])
    assert main(["apikeys", "list", *home[:2]]) == 0
    assert "bob" in capsys.readouterr().out
    assert main(["apikeys", "revoke", "bob", *home]) == 0
    for wrong in (
        ["revoke", "bob"], ["create"], ["create", ""], ["list", "x"], ["create", "c", "--tokens-per-day", "0"],
        ["list", "--tokens-per-day", "5"],
    ):  # fmt: skip
        assert main(["apikeys", *wrong, *home]) != 0, wrong
