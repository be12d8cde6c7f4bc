"""Models are loaded and unloaded over HTTP."""

from __future__ import annotations

from .conftest import Admin


async def test_a_model_is_loaded_and_unloaded(admin: Admin) -> None:
    assert (await admin.call("GET", "/models")).json == {"models": []}
    ready = {"models": [{"id": "scripted", "state": "ready", "detail": "", "active": 0, "memory": 0}]}
    assert (await admin.call("POST", "/models/scripted/load")).json == ready
    assert (await admin.call("POST", "/models/scripted/load")).json == ready
    assert (await admin.call("POST", "/models/scripted/unload")).json == {"models": []}


async def test_what_cannot_be_is_said(admin: Admin) -> None:
    reply = await admin.call("POST", "/models/missing/load")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (409, "model_not_loaded", "name")
    assert "models list" in reply.error["message"]
    (failed,) = (await admin.call("GET", "/models")).json["models"]
    assert failed["state"] == "failed"
    reply = await admin.call("POST", "/models/other/unload")
    assert (reply.status, reply.error["code"]) == (409, "model_not_unloaded")


async def test_it_needs_the_key(admin: Admin) -> None:
    assert (await admin.call("POST", "/models/scripted/load", authorization="Bearer nothing")).status == 401
    assert (await admin.call("GET", "/models")).json == {"models": []}
