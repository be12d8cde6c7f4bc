"""The settings of a backend: what is taken, and where a key may go."""

from __future__ import annotations

import pytest

from reference_node.config import SETTINGS, ConfigError, resolve, show
from reference_node.config.values import parse_backend


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("https://gpu.example/v1", "https://gpu.example:443/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://[::1]/v1", "http://[::1]:80/v1"),
    ],
)
def test_urls(text: str, shown: str) -> None:
    assert str(parse_backend(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["gpu:8000", "ftp://gpu/v1", "http://", "http://user:secret@gpu/v1", "http://gpu/v1?x=1", "http://gpu/../x",
     "http://gpu:0/v1", "http://gpu:99999/v1", "http://gpu\\@evil/v1", "http://gpu/%2e%2e", "http://g pu/v1", "http://ü/v1"],
)  # fmt: skip
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|port"):
        parse_backend(text)


def test_a_key_goes_nowhere_where_it_could_be_read() -> None:
    key = {"MYCELLM_BACKEND_KEY": "short"}
    for url in ("http://gpu:8000/v1", "http://10.0.0.5:8000/v1"):
        with pytest.raises(ConfigError, match="read the key"):
            resolve({"backend": (url,)}, key)
        assert resolve({"backend": (url,)}, {}).settings.backend is not None
    for url in ("https://gpu:8000/v1", "http://127.0.0.1:8000/v1", "http://localhost/v1"):
        assert resolve({"backend": (url,)}, key).settings.backend_key == "short"


def test_the_key_has_no_flag_and_is_never_shown() -> None:
    settings = resolve({"backend": ("https://gpu/v1",)}, {"MYCELLM_BACKEND_KEY": "very-secret"}).settings
    assert "very-secret" not in repr(settings)
    assert "very-secret" not in str([show(setting, settings) for setting in SETTINGS])
    assert next(setting for setting in SETTINGS if setting.name == "backend_key").secret
    with pytest.raises(ConfigError) as caught:
        resolve({}, {"MYCELLM_BACKEND_KEY": "with a space"})
    assert "with a space" not in str(caught.value)


def test_names() -> None:
    models = resolve({"backend_model": ("meta/llama=ours", "plain", "a=b=c")}, {}).settings.backend_model
    assert [(each.name, each.id) for each in models] == [("meta/llama", "ours"), ("plain", "plain"), ("a=b", "c")]
    assert [str(each) for each in models] == ["meta/llama=ours", "plain", "a=b=c"]
