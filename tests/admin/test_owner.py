"""The owner's controls over HTTP: changed whole or not at all, kept, shown."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from mycellm_proto.errors import ErrorCode
from mycellm_proto.nodeid import encode_node_id
from reference_node.admin.owner import OwnerChanges
from reference_node.owner import Changes, file
from tests.api.fakes import Endless

from .conftest import Admin

ID = encode_node_id(bytes(31) + b"\1")


async def test_a_change_is_in_force_on_the_disk_and_shown(admin: Admin) -> None:
    heard: list[int] = []
    admin.provider.owner.subscribe(lambda _before, after: heard.append(after.price_in))
    reply = await admin.call("PATCH", "/owner", {"price_in": 5, "block": [ID], "share": {"direct": ["m"]}})
    assert reply.status == 200
    assert reply.json["controls"]["price_in"] == {"value": 5, "setting": 1, "changed": True}
    assert reply.json["controls"]["share"]["value"] == {"direct": ["m"]}
    assert heard == [5]
    path = admin.home / "owner.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_bytes())["changed"] == {"price_in": 5, "block": [ID], "share": {"direct": ["m"]}}
    reply = await admin.call("PATCH", "/owner", {"reset": ["price_in", "share"], "unblock": [ID]})
    controls = reply.json["controls"]
    assert controls["price_in"] == {"value": 1, "setting": 1, "changed": False}
    assert controls["block"] == {"value": [], "setting": [], "changed": True}


@pytest.mark.parametrize(("body", "param"), [
    ({"price_in": 1_000_001}, "price_in"), ({"price_out": -1}, "price_out"), ({"allowance": 1 << 63}, "allowance"),
    ({"peer_slots": 257}, "peer_slots"), ({"block": [ID[:-1]]}, "block"), ({"block": ["any"]}, "block"),
    ({"allow": ["everyone"]}, "allow"), ({"disallow": [ID]}, "disallow"), ({"share": {"here": []}}, "share"),
    ({"share": {"direct": [""]}}, "share"), ({"reset": ["model"]}, "reset"),
])  # fmt: skip
async def test_what_cannot_be_leaves_all_as_it_was(admin: Admin, body: dict[str, Any], param: str) -> None:
    before = await admin.controls()
    reply = await admin.call("PATCH", "/owner", {"max_spend": 7} | body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "invalid_change", param)
    assert await admin.controls() == before
    assert not (admin.home / "owner.json").exists()


async def test_a_full_disk_changes_nothing(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    from reference_node.identity import HomeError

    def full(*_: object) -> None:
        raise HomeError("Cannot write owner.json: No space left on device.")

    monkeypatch.setattr(file, "replace_secret", full)
    reply = await admin.call("PATCH", "/owner", {"paused": True})
    assert (reply.status, reply.error["code"]) == (500, "home_unusable")
    assert "No space" in reply.error["message"]
    assert (await admin.controls())["paused"] is False


def test_the_description_and_the_controls_name_the_same_changes() -> None:
    assert set(OwnerChanges.model_fields) == {field.name for field in dataclasses.fields(Changes)}


async def until(admin: Admin, state: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (view := (await admin.call("GET", "/drain")).json)["state"] != state:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)
    assert isinstance(view, dict)
    return view


async def test_a_drain_waits_for_what_runs_and_stays_paused(admin: Admin) -> None:
    assert (await admin.call("GET", "/drain")).json is None
    admin.provider.serve(2)
    reply = await admin.call("POST", "/drain", {"within_s": 60})
    assert (reply.status, reply.json["state"], reply.json["peers"]) == (202, "draining", 2)
    assert 0 < reply.json["seconds_left"] <= 60
    assert admin.provider.held
    assert (await admin.chat()).status == 200  # this machine's own requests are served
    admin.provider.serve(0)
    assert (await until(admin, "done"))["ended"] == 0
    assert not admin.provider.held  # the pause holds in its place
    assert (await admin.controls())["paused"] is True
    assert not admin.left.is_set()


async def test_a_drain_ends_what_runs_too_long(admin: Admin) -> None:
    admin.provider.serve(3)
    await admin.call("POST", "/drain", {"within_s": 0})
    assert (await until(admin, "done"))["ended"] == 3


async def test_a_drain_to_the_exit_waits_for_own_requests_and_takes_no_new_ones(admin: Admin) -> None:
    silent = Endless("word")
    admin.play(silent)
    asked = asyncio.create_task(admin.chat(stream=True))
    await silent.silent.wait()
    reply = await admin.call("POST", "/drain", {"within_s": 1, "then": "exit"})
    assert (reply.json["state"], reply.json["own"]) == ("draining", 1)
    refused = await admin.chat()
    assert (refused.status, refused.error["code"]) == (503, ErrorCode.SHUTTING_DOWN.name.lower())
    async with asyncio.timeout(10):
        await admin.left.wait()
    assert (await admin.controls())["paused"] is False  # a restart serves again
    asked.cancel()


async def test_a_drain_can_be_taken_back(admin: Admin) -> None:
    assert (await admin.call("DELETE", "/drain")).status == 409
    admin.provider.serve(1)
    for then in ("exit", "pause"):
        await admin.call("POST", "/drain", {"within_s": 60, "then": then})
        assert (await admin.call("DELETE", "/drain")).json["state"] == "cancelled"
        assert not admin.provider.held
        assert (await admin.chat()).status == 200
    await admin.call("POST", "/drain", {"within_s": 60})
    await admin.call("PATCH", "/owner", {"paused": False})
    assert (await admin.call("GET", "/drain")).json["state"] == "cancelled"


@pytest.mark.parametrize("order", [{"within_s": -1}, {"within_s": 86_401}, {"within_s": 1.5}, {"then": "stop"}])
async def test_an_order_that_cannot_be_is_refused(admin: Admin, order: dict[str, Any]) -> None:
    assert (await admin.call("POST", "/drain", order)).status == 400
    assert not admin.provider.held
