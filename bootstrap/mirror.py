"""Carries this machine's pip settings over to uv, which reads none of them.

Organisations say where packages come from in pip's configuration files and ``PIP_*`` variables.  Without this, a
machine that can reach only its mirror would look set up for pip and fail with uv.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["pip_settings", "uv_settings"]

# The sections of pip's files that apply to `pip install`; the later one wins.
_SECTIONS = ("global", "install")


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings by option name (``index-url``), variables before files, as pip ranks them."""
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        for file in _pip_files(environ):
            settings |= _section(file, section)
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def uv_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv install from where pip would, less those that the user has set."""
    pip = pip_settings(environ)
    cert = pip.get("cert") or environ.get("REQUESTS_CA_BUNDLE", "")
    wanted = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(place for place in pip.get("find-links", "").split() if _exists(place)),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout", "") or pip.get("default-timeout", ""),
        "SSL_CERT_FILE": cert,
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
        "ALL_PROXY": pip.get("proxy", ""),
    }
    if wanted["UV_INDEX"]:
        # pip takes the pinned file from whichever index has it, and so must uv: the hash says that it is the right one.
        wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in wanted.items() if value and not environ.get(name)}


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, the one that wins last."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path(environ.get("HOME") or "/")
    if sys.platform == "darwin":
        shared = [Path("/Library/Application Support/pip/pip.conf")]
        user = home / "Library/Application Support/pip/pip.conf"
        own = user if user.parent.is_dir() else home / ".config/pip/pip.conf"
    else:
        folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        shared = [*(Path(folder, "pip/pip.conf") for folder in folders), Path("/etc/pip.conf")]
        own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    files = [*shared, home / ".pip/pip.conf", own, Path(sys.prefix, "pip.conf")]
    return [*files, Path(chosen)] if chosen else files


def _section(file: Path, section: str) -> dict[str, str]:
    """Return one section of one file; a file that cannot be read says nothing, as with pip."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeError):
        return {}
    return dict(parser.items(section)) if parser.has_section(section) else {}


def _exists(place: str) -> bool:
    """Tell whether a find-links place is remote or there: uv stops at a missing folder, pip passes over it."""
    url = urlsplit(place)
    return url.scheme in {"http", "https"} or Path(url2pathname(url.path)).exists()
