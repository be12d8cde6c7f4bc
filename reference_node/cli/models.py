"""``models``: the models on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import arguments, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse

    from ..config import Settings
    from ..models import InstalledModel, ModelStore, Progress, ProgressCallback

_HELP = "list, show, import and remove models on this machine"


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``models``."""
    parser = arguments.add_command(subparsers, "models", _HELP, settings=["variant"])
    parser.add_argument(
        "action", nargs="?", choices=["list", "show", "import", "remove"], default="list", help="list (the default)"
    )
    parser.add_argument("target", nargs="?", metavar="ID|PATH", help="a model id; for import a GGUF file or a folder")
    parser.add_argument("--id", dest="model_id", metavar="ID", help="for import: the id that the model gets")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do one of the four."""
    from ..models import ModelError, ModelStore  # late: it loads numpy

    if (args.target is None) != (args.action == "list"):
        wants = "nothing more" if args.action == "list" else "a PATH" if args.action == "import" else "an ID"
        raise CommandError(f"`models {args.action}` takes {wants}. `models list` shows the ids.", exit_code=2)
    store = ModelStore(settings.cache, settings.home)
    actions = {"list": _list, "show": _show, "import": _import, "remove": _remove}
    try:
        actions[args.action](store, args, settings)
    except ModelError as error:
        raise CommandError(str(error)) from None
    return 0


def summary(model: InstalledModel) -> dict[str, object]:
    """An installed model in a line: ``size`` in bytes, ``created`` in Unix seconds."""
    return {"id": model.id, "digest": model.digest.hex(), "size": model.size, "created": model.created}


def description(model: InstalledModel) -> dict[str, object]:
    """All that is known of an installed model."""
    return {**summary(model), "folder": str(model.folder), "manifest": asdict(model.manifest)}


def _list(store: ModelStore, args: argparse.Namespace, _settings: Settings) -> None:
    models = store.list()
    if args.json:
        output.result_json({"models": [summary(model) for model in models]})
    elif not models:
        output.say("No model is installed yet. `serve` makes the default one ready.")
    else:
        rows = [(model.id, f"{model.size / 1e6:.0f} MB", model.digest.hex()[:16]) for model in models]
        output.table(("id", "size", "digest"), rows)


def _show(store: ModelStore, args: argparse.Namespace, _settings: Settings) -> None:
    _print(description(store.get(args.target)), as_json=args.json)


def _import(store: ModelStore, args: argparse.Namespace, settings: Settings) -> None:
    source = Path(args.target).expanduser()
    chosen = args.resolved.sources["variant"] != "default"  # otherwise the store picks the one that fits the model
    variant = settings.variant if chosen else None
    model = store.import_(source, id=args.model_id, variant=variant, progress=_progress())
    _print(description(model), as_json=args.json)


def _remove(store: ModelStore, args: argparse.Namespace, _settings: Settings) -> None:
    store.remove(args.target)
    if args.json:
        output.result_json({"removed": args.target})
    else:
        output.say(f"{args.target} is removed.")


def _print(model: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        output.result_json(model)
        return
    for name, value in model.items():
        output.result(f"{name:16} {output.printable(str(value))}")


def _progress() -> ProgressCallback:
    said = ("", -1)

    def show(progress: Progress) -> None:
        nonlocal said
        tenth = progress.done * 10 // progress.total if progress.total else 0
        if (progress.stage, tenth) != said:  # ten lines a stage, on any kind of terminal
            said = (progress.stage, tenth)
            output.say(f"{progress.stage}: {tenth * 10} %  {progress.detail}")

    return show
