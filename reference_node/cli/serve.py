"""``serve``: run the node until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from .. import log
from ..config import DEFAULT_HOME, SETTINGS, Address
from ..identity import (
    ADMIN_KEY_FILE,
    API_KEY_FILE,
    load_or_create_admin_key,
    load_or_create_api_key,
    load_with_receipts,
)
from ..secret import same_secret
from . import arguments, output, runfile
from .output import CommandError
from .version import version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from ..api import ApiServer, NodeView
    from ..api.admission import Exchanges
    from ..config import Settings
    from ..identity import Identity
    from ..node import Node
    from ..owner import Owner

GRACE_S = 5.0
"""How long requests may go on after the signal to stop."""
NODE_CLOSE_S = 8.0
"""How long the node may take to say goodbye to its peers and to free its model."""
LEAVE_S = 1.0
"""How long the interpreter may take to end; a thread that still converts a model is left behind then."""
WATCH_S = 0.2
"""How often the start is looked at, to say that the model is ready; nothing waits for it."""

_log = logging.getLogger(__name__)

_HELP = "start a node (this is meant when no command is given)"

_BANNER = """\
mycellm node {version}
  node id    {node_id}
  HTTP API   http://{api}/v1  ({key})
  QUIC       {quic} (UDP), may be used by: {access}
  state      {home}{backend}

Next, in a second terminal:
  {prog} chat{home_flag} "Hello"
  curl {curl}http://{reach}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
  export OPENAI_BASE_URL=http://{reach}/v1 OPENAI_API_KEY={shell_key}   # for any OpenAI client
  {prog} --home '{home}-2' --api 127.0.0.1:0 --quic 127.0.0.1:0 --no-model \\
    --peer {node_id}@{quic}   # a second node, which uses this one
"""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``serve``."""
    arguments.add_command(subparsers, "serve", _HELP, settings=[setting.name for setting in SETTINGS])


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT."""
    from ..store import RECEIPTS_FILE  # late: the other commands do without the store

    with runfile.claim(settings.home):
        identity = load_with_receipts(settings.home, settings.home / RECEIPTS_FILE)
        asyncio.run(_serve(settings, identity, as_json=args.json))
    return 0


def api_key(settings: Settings) -> str | None:
    """The key that the API requires: a set one always, a generated one beyond loopback."""
    if settings.api_key:
        return settings.api_key
    return None if settings.api.is_loopback else load_or_create_api_key(settings.home)


async def _start_node(settings: Settings, identity: Identity) -> Node:
    from ..node import Node  # late: it loads the engine, and the other commands do without
    from ..store.errors import StoreError

    try:
        return await Node.start(settings, identity)
    except OSError as error:
        message = f"The node cannot listen on {settings.quic} (UDP): {error.strerror or error}. Change --quic."
        raise CommandError(message, exit_code=2) from None
    except StoreError as error:
        raise CommandError(f"The receipts cannot be opened: {error}", exit_code=2) from None


def admin_key(settings: Settings) -> str:
    """The key that the admin API requires, always. Raises `CommandError` where it would be the API's too."""
    key = load_or_create_admin_key(settings.home)
    if same_secret(key, api_key(settings) or ""):
        message = f"The API key is the admin key. Choose another, or remove {settings.home / ADMIN_KEY_FILE}."
        raise CommandError(message, exit_code=2)
    return key


async def _start_api(settings: Settings, node: Node, leave: Callable[[], None]) -> ApiServer:
    from ..admin import (
        Drain,
        create_admin,
        discovery_routes,
        drain_routes,
        model_routes,
        network_routes,
        owner_routes,
    )
    from ..api import ApiServer, PortInUseError  # late, as above

    key = admin_key(settings)

    def admin(exchanges: Exchanges) -> ASGIApp:
        routers = (
            owner_routes(node.owner),
            model_routes(node.local),
            drain_routes(Drain(node, exchanges, leave)),
            network_routes(node.desk, node.where_reached, node.balances),
            discovery_routes(node.discovery, node.networks),
        )
        return create_admin(key, routers)

    try:
        return await ApiServer.start(node, settings, api_key(settings), admin)
    except PortInUseError as error:
        raise CommandError(str(error), exit_code=2) from None


async def _serve(settings: Settings, identity: Identity, *, as_json: bool) -> None:
    stop = _stop_on_signals(settings)
    node = await _start_node(settings, identity)
    try:
        api = await _start_api(settings, node, stop.set)
        try:
            _say_where(settings, node, api.address, identity, as_json=as_json)
            _say_owner(node.owner, as_json=as_json)
            watch = asyncio.create_task(_watch(node, settings, as_json=as_json))
            await stop.wait()
            watch.cancel()
            _tell("stopping", as_json=as_json)
        finally:
            await api.aclose(GRACE_S)
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(node.aclose(), NODE_CLOSE_S)
    _tell("stopped", as_json=as_json)
    _leave(settings)


def _leave(settings: Settings) -> None:
    """End this process soon: Python alone would wait for every thread, and a model's conversion takes minutes.

    Nothing is lost: what such a thread writes counts only when it is whole.
    """

    def now() -> None:
        runfile.forget(settings.home)
        os._exit(0)

    timer = threading.Timer(LEAVE_S, now)
    timer.daemon = True
    timer.start()


def _stop_on_signals(settings: Settings) -> asyncio.Event:
    """An event that the first signal sets; the second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log.loop_exception_handler)

    def on_signal() -> None:
        if stop.is_set():
            runfile.forget(settings.home)
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def _tell(name: str, *, as_json: bool, **fields: log.Field) -> None:
    """Something that happened to the whole node, for the log and for who reads ``--json``."""
    log.event(_log, logging.INFO, name, **fields)
    if as_json:
        output.result_json({"event": name, **fields})


def _say_where(settings: Settings, node: Node, api: Address, identity: Identity, *, as_json: bool) -> None:
    quic = str(node.health()["quic"])
    here = runfile.Running(pid=os.getpid(), api=str(api), quic=quic, node_id=identity.text)
    runfile.announce(settings.home, here)
    generated = api_key(settings) is not None and not settings.api_key
    key_file = str(settings.home / API_KEY_FILE) if generated else None
    fields: dict[str, log.Field] = {"api": here.api, "quic": here.quic, "node_id": here.node_id, "pid": here.pid}
    _tell("listening", as_json=as_json, **fields, api_key_file=key_file)
    if not as_json:
        output.say(banner(settings, here, api, str(node.owner.controls.allow)))


def _say_owner(owner: Owner, *, as_json: bool) -> None:
    """What the owner changed wins over settings: whoever gave a flag in vain wants to know."""
    if owner.changed and not as_json:
        names = ", ".join(sorted(owner.changed))
        output.say(f"Changed with `owner`, so their settings do not count: {names}. `owner reset NAME` undoes it.")
    if owner.controls.paused and not as_json:
        output.say(f"Paused: peers get nothing until `{arguments.program()} owner resume`.")


def banner(settings: Settings, here: runfile.Running, api: Address, access: str) -> str:
    """What a person needs to know, and can do next."""
    needed = api_key(settings) is not None
    file = f"$(cat {settings.home / API_KEY_FILE})"
    shell_key = "none" if not needed else "$MYCELLM_API_KEY" if settings.api_key else f'"{file}"'
    needs = "needs the key of the setting api_key" if settings.api_key else f"key: {settings.home / API_KEY_FILE}"
    reach = f"127.0.0.1:{api.port}" if api.host in ("0.0.0.0", "::") else here.api  # noqa: S104 - only compared
    return _BANNER.format(
        version=version(),
        node_id=here.node_id,
        api=here.api,
        reach=reach,
        key=needs if needed else "no key needed: only this machine reaches it",
        shell_key=shell_key,
        curl='-H "authorization: Bearer ' + shell_key.strip('"') + '" ' if needed else "",
        quic=here.quic,
        access=access,
        home=settings.home,
        home_flag="" if settings.home == DEFAULT_HOME.expanduser() else f" --home '{settings.home}'",
        model=settings.first_model or next((each.id for each in settings.backend_model), "MODEL"),
        backend="" if settings.backend is None else f"\n  backend    {settings.backend}",
        prog=arguments.program(),
    )


def _share(progress: object) -> str:
    """How far a stage is, in tenths: ten lines a stage at most, on any kind of terminal."""
    done, total = (progress.get("done"), progress.get("total")) if isinstance(progress, dict) else (0, 0)
    return f" {done * 10 // total * 10} %" if isinstance(done, int) and isinstance(total, int) and total else ""


async def _watch(node: NodeView, settings: Settings, *, as_json: bool) -> None:
    """Say what the start waits for, and when the node is ready."""
    said, shown = "", ""
    while not node.ready():
        health = node.health()
        progress = health.get("progress")
        stage = str(progress.get("stage", "")) if isinstance(progress, dict) else ""
        if health.get("status") == "failed":
            reason = str(progress.get("detail", "")) if isinstance(progress, dict) else ""
            _tell("failed", as_json=as_json, message=reason)
            if not as_json:
                output.say(f"The model could not be started: {reason}\nTry: {arguments.program()} doctor")
            return
        if stage and stage != said:
            said = stage
            _tell("starting", as_json=as_json, stage=stage)
        line = f"Making the model ready: {stage}{_share(progress)} …"
        if stage and line != shown and not as_json:
            shown = line
            output.say(line)
        await asyncio.sleep(WATCH_S)
    _tell("ready", as_json=as_json, model=settings.first_model or None)
    if not as_json:
        output.say("Ready.")
