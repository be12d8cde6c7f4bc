"""``doctor``: what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..config import SETTINGS
from ..doctor import Check, examine
from . import arguments, node_api, output, runfile
from .output import CommandError

if TYPE_CHECKING:
    import argparse

    from ..config import Settings

_HELP = "say what is wrong with this set-up, and what to do"


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``doctor``."""
    arguments.add_command(subparsers, "doctor", _HELP, settings=[setting.name for setting in SETTINGS])


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the findings; 1 when one of them is a failure."""
    checks = []
    for check in examine(settings, lambda: _node(settings)):
        checks.append(check)
        if not args.json:
            output.result(f"{check.status:4}  {check.name:14} {output.printable(check.detail)}")
            if check.mend:
                output.result(f"{'':20} -> {check.mend}")
    failed = any(check.status == "fail" for check in checks)
    if args.json:
        output.result_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    return 1 if failed else 0


def _node(settings: Settings) -> tuple[frozenset[str], Check]:
    """Where the node of this home listens, if it runs, and how it is."""
    running = runfile.find(settings.home)
    if running is None:
        mend = f"Start it with: {arguments.program()} serve"
        return frozenset(), Check(name="node", status="warn", detail="no node runs with this home", mend=mend)
    used = frozenset((running.api, running.quic))
    try:
        status, health = node_api.connect(settings, None).get("/health")
    except CommandError as error:
        mend = f"Stop process {running.pid} and start again."
        return used, Check(name="node", status="fail", detail=str(error), mend=mend)
    detail = f"{health.get('status')} at http://{running.api} (process {running.pid})"
    if status == 200:
        return used, Check(name="node", status="ok", detail=detail)
    return used, Check(name="node", status="warn", detail=detail, mend="Wait until it is ready; its log says more.")
