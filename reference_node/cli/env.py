"""``env``: the lines that point a client at this home's node."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..identity import stored_api_key
from . import arguments, node_api, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ..config import Settings

_HELP = "print what to export so that a client uses this node: env [CLIENT]"
_EPILOG = """\
  eval "$(python3 -m reference_node env --shell)"     for OpenAI's and Anthropic's clients in this shell
  python3 -m reference_node env                       every client, and how it is started
The key is printed: these lines are for your own shell.
"""
NO_KEY = "none"
"""Clients want a key even where the node needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client: which variables it reads (``{url}``, ``{key}`` and ``{model}`` are filled in), and how it starts."""

    name: str
    variables: Mapping[str, str]
    command: str = ""


_OPENAI = {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}"}
_ANTHROPIC = {"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_API_KEY": "{key}"}
_OLD_OPENAI = {"OPENAI_API_BASE": "{url}/v1", "OPENAI_API_KEY": "{key}"}
CLIENTS = (
    Client(name="openai", variables=_OPENAI, command="any program on OpenAI's SDK"),
    Client(name="anthropic", variables=_ANTHROPIC, command="any program on Anthropic's SDK"),
    Client(name="langchain", variables=_OPENAI | _ANTHROPIC, command="ChatOpenAI(), ChatAnthropic()"),
    Client(name="litellm", variables=_OPENAI, command='litellm.completion(model="openai/{model}", ...)'),
    Client(name="llamaindex", variables=_OLD_OPENAI, command="OpenAI()"),
    Client(name="aider", variables=_OLD_OPENAI, command="aider --model openai/{model}"),
    Client(name="opencode", variables=_OPENAI, command="opencode run -m openai/gpt-5 'Hello'"),
    Client(
        name="codex", variables=_OPENAI,
        command="codex exec -c model_provider=node -c 'model_providers.node={{name=\"node\",base_url=\"{url}/v1\","
        "env_key=\"OPENAI_API_KEY\",wire_api=\"responses\"}}' 'Hello'",
    ),
    Client(
        name="claude-code", variables={"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_AUTH_TOKEN": "{key}"},
        command="claude -p 'Hello'",
    ),
    Client(name="vercel-ai-sdk", variables=_OPENAI | {"ANTHROPIC_BASE_URL": "{url}/v1", "ANTHROPIC_API_KEY": "{key}"}),
)  # fmt: skip
_EVERYBODY = _OPENAI | {"OPENAI_API_BASE": "{url}/v1"} | _ANTHROPIC


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``env``."""
    parser = arguments.add_command(subparsers, "env", _HELP)
    parser.epilog = _EPILOG
    names = [client.name for client in CLIENTS]
    parser.add_argument("client", nargs="?", choices=names, metavar="CLIENT", help=", ".join(names) + "; default: all")
    parser.add_argument("--shell", action="store_true", help="export lines alone, for eval")
    parser.add_argument("--api", metavar="HOST:PORT", help="the node to use (default: the one that runs here)")
    parser.add_argument("--model", metavar="ID", help="the model to name (default: the first that the node offers)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the lines."""
    api = node_api.connect(settings, args.api)
    key = settings.api_key or (stored_api_key(settings.home) if args.api is None else None) or NO_KEY
    words = {"url": f"http://{api.address}", "key": key, "model": args.model or _first_model(api)}
    chosen = [client for client in CLIENTS if args.client in (None, client.name)]
    if args.json:
        clients = [
            {
                "name": client.name,
                "variables": _filled(client.variables, words),
                "command": client.command.format(**words),
            }
            for client in chosen
        ]
        output.result_json({"base_url": words["url"], "model": words["model"], "clients": clients})
    elif args.shell:
        _print(chosen[0].variables if args.client else _EVERYBODY, words)
    else:
        for client in chosen:
            command = f": {client.command.format(**words)}" if client.command else ""
            output.result(f"# {client.name}{command}")
            _print(client.variables, words)
    return 0


def _first_model(api: node_api.Api) -> str:
    status, answer = api.get("/v1/models")
    if status != 200:
        raise CommandError(node_api.error_message(status, answer))
    models = answer.get("data")
    first = models[0] if isinstance(models, list) and models else {}
    return str(first.get("id", "gpt-4o")) if isinstance(first, dict) else "gpt-4o"


def _filled(variables: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    return {name: value.format(**words) for name, value in variables.items()}


def _print(variables: Mapping[str, str], words: Mapping[str, str]) -> None:
    for name, value in _filled(variables, words).items():
        output.result(f"export {name}={shlex.quote(value)}")
