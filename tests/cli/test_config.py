"""Settings: one precedence, every value checked, secrets not shown."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node.config import (
    SETTINGS,
    Address,
    ConfigError,
    default_cache,
    parse_address,
    resolve,
)

if TYPE_CHECKING:
    from .conftest import Runner

ID = encode_node_id(bytes(32))
KEY = "a-secret-of-16-chars"


def test_flag_beats_environment_beats_file_beats_default(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    run.home.mkdir()
    (run.home / "config.toml").write_text('slots = 2\nthreads = 2\nmodel = "file"\n')
    monkeypatch.setenv("MYCELLM_SLOTS", "3")
    monkeypatch.setenv("MYCELLM_THREADS", "3")
    rows = {row["name"]: row for row in run("config", "--slots", "4", "--json").json["settings"]}
    assert (rows["slots"]["value"], rows["slots"]["source"]) == (4, "flag --slots")
    assert (rows["threads"]["value"], rows["threads"]["source"]) == (3, "environment MYCELLM_THREADS")
    assert (rows["model"]["value"], rows["model"]["source"]) == (["file"], f"file {run.home / 'config.toml'}")
    assert (rows["context"]["value"], rows["context"]["source"]) == (0, "default")
    assert set(rows) == {setting.name for setting in SETTINGS}
    text = run("config", "--slots", "4").out
    assert "flag --slots" in text


def test_a_secret_is_not_shown(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYCELLM_API_KEY", KEY)
    for ran in (run("config"), run("config", "--json"), run("doctor", "--api", "127.0.0.1:0")):
        assert KEY not in ran.out + ran.err
    monkeypatch.setenv("MYCELLM_API_KEY", "too short")
    ran = run("config")
    assert ran.code == 2
    assert "too short" not in ran.err
    assert "--api-key" not in run("serve", "--help").out


@pytest.mark.parametrize(("name", "text"), [
    ("api", "8420"), ("api", "host:"), ("api", ":8420"), ("api", "host:65536"), ("api", "::1:80"), ("api", "a b:1"),
    ("api", "[::1"), ("api", "http://x:1"), ("quic", "x:-1"), ("quic", "x:\u0661"), ("threads", "-1"),
    ("threads", "1.5"),
    ("threads", "1e3"), ("threads", ""), ("slots", "0"), ("context", "1048577"), ("allowance", str(1 << 63)),
    ("price_in", "1000001"), ("variant", "int3"), ("device", "tpu"), ("log_level", "loud"), ("model", ""),
    ("model", "a b"), ("peer", "127.0.0.1:1"), ("peer", f"{ID[:-1]}q@127.0.0.1:1"), ("peer", f"{ID}@127.0.0.1"),
    ("allow", "nobody"), ("allow", ID[:-1]), ("no_model", "maybe"), ("request_timeout", "0"), ("home", ""),
])  # fmt: skip
def test_a_value_that_cannot_be_used_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} from "):
        resolve({name: (text,)}, {})


def test_lists_may_be_repeated_and_separated() -> None:
    other = encode_node_id(bytes([1]) * 32)
    flags = resolve({"peer": (f"{ID}@127.0.0.1:1", f"{other}@[::1]:2")}, {}).settings.peer
    variable = resolve({}, {"MYCELLM_PEER": f"{ID}@127.0.0.1:1, {other}@[::1]:2"}).settings.peer
    assert flags == variable
    assert [str(peer) for peer in flags] == [f"{ID}@127.0.0.1:1", f"{other}@[::1]:2"]


def test_who_may_use_the_node() -> None:
    def access(quic: str, *allow: str) -> str:
        return str(resolve({"quic": (quic,), **({"allow": allow} if allow else {})}, {}).settings.access)

    assert access("127.0.0.1:0") == access("[::1]:0") == access("localhost:0") == "any node"
    assert access("0.0.0.0:0") == access("192.0.2.1:0") == access("node.example:0") == "no other node"
    assert access("0.0.0.0:0", "any") == "any node"
    assert access("127.0.0.1:0", ID) == ID
    named = resolve({"quic": ("0.0.0.0:0",), "allow": (ID,)}, {}).settings.access
    assert named.permits(bytes(32))
    assert not named.permits(bytes([1]) * 32)


def test_addresses_are_written_as_they_are_read() -> None:
    for text in ("127.0.0.1:8420", "[::1]:0", "localhost:65535", "node.example:1"):
        assert str(parse_address(text)) == text
    assert parse_address("[::1]:5") == Address(host="::1", port=5)


@pytest.mark.parametrize(("content", "words"), [
    ("slot = 1", "unknown setting slot"),
    ("slots = 0", "slots from file"),
    ("slots = 1.5", "cannot be a float"),
    ("slots = [1]", "cannot be a list"),
    ("slots =", "not a TOML file"),
    ('home = "/x"', "unknown setting home"),
    ("peer = [1]", "peer from file"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "config.toml").write_text(content)
    with pytest.raises(ConfigError, match=words):
        resolve({"home": (str(tmp_path),)}, {})


def test_a_file_may_hold_every_setting(tmp_path: Path) -> None:
    lines = ['allow = ["any"]', f'peer = ["{ID}@127.0.0.1:1"]', "no_model = true", 'api = "127.0.0.1:1"']
    (tmp_path / "other.toml").write_text("\n".join([*lines, "price_in = 7", f'api_key = "{KEY}"']))
    settings = resolve({}, {"MYCELLM_CONFIG": str(tmp_path / "other.toml")}).settings
    assert (settings.no_model, settings.price_in, settings.api_key) == (True, 7, KEY)
    with pytest.raises(ConfigError, match="no such configuration"):
        resolve({}, {}, str(tmp_path / "none.toml"))
    (tmp_path / "big.toml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match="larger"):
        resolve({}, {}, str(tmp_path / "big.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        resolve({}, {}, str(tmp_path / "bytes.toml"))


def test_the_cache_lies_where_the_system_wants_it() -> None:
    assert default_cache({}, "darwin") == "~/Library/Caches/mycellm"
    assert default_cache({}, "linux") == "~/.cache/mycellm"
    assert default_cache({"XDG_CACHE_HOME": "/x"}, "linux") == "/x/mycellm"


def test_the_project_file_is_toml_too() -> None:
    root = Path(__file__).parents[2]
    from reference_node.cli.version import version

    assert version() == tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
