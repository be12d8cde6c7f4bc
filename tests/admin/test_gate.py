"""Who may ask the admin API, and how much: the admin key always, no browser, bounded requests, one shape of errors."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from reference_node.admin import gate
from reference_node.cli.serve import admin_key
from reference_node.config import resolve
from tests.api.conftest import encode, read_reply

from .conftest import KEY, Admin

PATHS = ("/owner", "/drain", "/openapi.json", "/nothing", "/")


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_said_without_the_admin_key_also_on_loopback(admin: Admin, path: str) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS"):
        for wrong in ("", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer ", "Bearer \xff"):
            reply = await admin.call(method, path, {"paused": True}, authorization=wrong)
            assert (reply.status, reply.error["code"]) == (401, "invalid_admin_key")
            assert reply.headers["www-authenticate"] == "Bearer"
        assert (await admin.call(method, path, authorization="", x_api_key=KEY)).status == 401
    assert (await admin.controls())["paused"] is False


async def test_the_admin_key_does_not_open_what_is_beside(admin: Admin) -> None:
    for path in ("/admin", "/admin/v2/owner", "//admin/v1/owner", "/v1/admin/v1/owner", "/admin/v1/../v1/owner"):
        assert (await admin.ask("GET", path, authorization=f"Bearer {KEY}")).status == 404


def test_the_api_key_is_never_the_admin_key(tmp_path: Path) -> None:
    from reference_node.cli.output import CommandError

    first = admin_key(resolve({"home": (str(tmp_path),)}, {}).settings)
    assert first.startswith("mya-")
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="is the admin key"):
        admin_key(resolve({"home": (str(tmp_path),), "api_key": (first,)}, {}).settings)


async def test_browsers_are_refused_even_with_the_key(admin: Admin) -> None:
    port = admin.server.address.port
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        reply = await admin.call("PATCH", "/owner", {"paused": True}, origin=origin)
        assert (reply.status, reply.error["code"]) == (403, "browser_refused")
    for site in ("same-origin", "cross-site"):
        assert (await admin.call("GET", "/owner", sec_fetch_site=site)).status == 403
    assert (await admin.controls())["paused"] is False


async def test_requests_are_bounded(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = await admin.call("PATCH", "/owner", b" " * (gate.MAX_BODY_BYTES + 1))
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")
    reply = await admin.call("PATCH", "/owner", {"paused": True}, content_encoding="gzip")
    assert (reply.status, reply.error["code"]) == (415, "unsupported_encoding")
    monkeypatch.setattr(gate, "BODY_TIMEOUT_S", 0.05)
    reader, writer = await admin.connect()
    headers = {"host": admin.where, "authorization": f"Bearer {KEY}", "content-length": "10"}
    writer.write(encode("PATCH", "/admin/v1/owner", b"{", headers))
    async with asyncio.timeout(10):
        assert (await read_reply(reader)).status == 408
    writer.close()
    monkeypatch.setattr(gate, "MAX_REQUESTS", 0)
    reply = await admin.call("GET", "/owner")
    assert (reply.status, reply.error["code"]) == (429, "busy")


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"[" * 30_000, b'{"price_in": ' + b"9" * 5000 + b"}", b'{"price_in": NaN}', b"\xff",
    b'{"price_in": "2"}', b'{"price_in": 2.5}', b'{"price_in": 2.0}', b'{"price_in": true}', b'{"paused": 1}',
    b'{"paused": "true"}', b'{"price": 1}', b'{"block": "x"}', b'{"share": {"direct": "all"}}', b'{"share": [1]}',
])  # fmt: skip
async def test_a_body_that_is_not_described_is_refused_and_not_repeated(admin: Admin, body: bytes) -> None:
    before = await admin.controls()
    reply = await admin.call("PATCH", "/owner", body)
    assert (reply.status, reply.error["code"]) == (400, "invalid_request")
    assert reply.error.keys() == {"code", "message", "param"}
    assert await admin.controls() == before


async def test_what_is_not_there_has_the_same_shape(admin: Admin) -> None:
    reply = await admin.call("GET", "/nothing")
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    reply = await admin.call("PUT", "/owner", {})
    assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")
    assert reply.headers["allow"]


async def test_it_describes_itself(admin: Admin) -> None:
    described = (await admin.call("GET", "/openapi.json")).json
    assert described["openapi"].startswith("3.")
    assert {"/admin/v1/owner", "/admin/v1/drain"} <= described["paths"].keys()
    assert "ErrorBody" in described["components"]["schemas"]
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["description"]
            assert "4XX" in operation["responses"]


async def test_keys_are_not_logged(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await admin.call("GET", "/owner")
    await admin.call("GET", "/owner", authorization="Bearer mya-another-secret")
    await admin.call("PATCH", f"/{KEY}", {"price_in": KEY})
    logged = str([vars(record) for record in caplog.records if record.name.startswith("reference_node")])
    assert "http.request" in logged
    assert KEY not in logged
    assert "another-secret" not in logged
