"""What pip is told about this machine's index reaches uv."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bootstrap import mirror

# The fixture below replaces it in the module.
pip_files = mirror._pip_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\n"
        "index-url = https://mirror.example/simple\n"
        "extra-index-url =\n    https://one.example/simple\n    https://two.example/simple\n"
        "timeout = 60\n"
        "[install]\n"
        "timeout = 90\n"
        "trusted-host = mirror.example\n",
        encoding="utf-8",
    )
    return file


@pytest.fixture(autouse=True)
def _only_our_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what this machine's own files say."""
    monkeypatch.setattr(mirror, "_pip_files", lambda environ: [config])


def settings(**environ: str) -> dict[str, str]:
    return mirror.uv_settings(environ)


def test_the_file_is_carried_over() -> None:
    carried = settings()
    assert carried["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert carried["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert carried["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert carried["UV_INSECURE_HOST"] == "mirror.example"
    assert carried["UV_HTTP_TIMEOUT"] == "90"


def test_variables_win_over_files() -> None:
    carried = settings(PIP_INDEX_URL="https://other.example/simple", PIP_CERT="/ca.pem")
    assert carried["UV_DEFAULT_INDEX"] == "https://other.example/simple"
    assert carried["SSL_CERT_FILE"] == "/ca.pem"


def test_what_is_set_for_uv_stays() -> None:
    carried = settings(UV_DEFAULT_INDEX="https://mine.example/simple", SSL_CERT_FILE="/mine.pem")
    assert not carried.keys() & {"UV_DEFAULT_INDEX", "SSL_CERT_FILE"}


def test_folders_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    places = f"{tmp_path} {tmp_path.as_uri()} {tmp_path}/none https://wheels.example/"
    carried = settings(PIP_FIND_LINKS=places)
    assert carried["UV_FIND_LINKS"] == f"{tmp_path},{tmp_path.as_uri()},https://wheels.example/"


def test_the_users_file_wins_over_the_machines_and_the_named_one_over_both() -> None:
    files = pip_files({"HOME": "/someone", "PIP_CONFIG_FILE": "/named.conf"})
    shared = Path("/Library/Application Support/pip/pip.conf" if sys.platform == "darwin" else "/etc/pip.conf")
    own = Path("/someone/.config/pip/pip.conf")
    assert files.index(shared) < files.index(own) < files.index(Path("/named.conf")) == len(files) - 1


def test_no_file_is_read_when_pip_is_told_so() -> None:
    assert pip_files({"PIP_CONFIG_FILE": os.devnull}) == []


@pytest.mark.parametrize("content", ["no section", "[global\n", "[global]\nindex-url = \xff\n"])
def test_a_broken_file_says_nothing(config: Path, content: str) -> None:
    config.write_text(content, encoding="latin-1")
    assert settings() == {}
