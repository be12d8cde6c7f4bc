"""``chat``: talk to the running node in the terminal, once or in turns."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import arguments, node_api, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse
    import http.client
    from collections.abc import Iterator

    from ..config import Settings

_HELP = 'talk to the running node: chat "a question", or chat alone for a conversation'
ANSWER_TOKENS = 1024
"""Small models can go on for ever; this is more than people read at once."""
MAX_PROMPT_CHARS = 1 << 20
"""Of a prompt that is read from a pipe; the API takes no more either."""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``chat``."""
    parser = arguments.add_command(subparsers, "chat", _HELP)
    parser.add_argument("prompt", nargs="*", help="what to ask; without it, a conversation (or a pipe is read)")
    parser.add_argument("--model", metavar="ID", help="the model to ask (default: the first that the node offers)")
    parser.add_argument("--system", metavar="TEXT", help="instructions that come before the conversation")
    length = f"longest answer, in tokens (default: {ANSWER_TOKENS})"
    parser.add_argument("--max-tokens", metavar="N", type=int, default=ANSWER_TOKENS, help=length)
    parser.add_argument("--api", metavar="HOST:PORT", help="the node to ask (default: the one that runs here)")


@dataclass(slots=True, kw_only=True)
class Conversation:
    """The turns so far, and how to ask for the next."""

    api: node_api.Api
    model: str
    max_tokens: int
    messages: list[dict[str, str]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None

    def ask(self, text: str) -> Iterator[str]:
        """The answer, in pieces; it joins the conversation when it is whole. Raises `CommandError`."""
        turn = {"role": "user", "content": text}
        body: dict[str, object] = {"model": self.model, "messages": [*self.messages, turn], "stream": True}
        body |= {"stream_options": {"include_usage": True}, "max_tokens": self.max_tokens}
        pieces = []
        with self.api.request("POST", "/v1/chat/completions", body) as response:
            if response.status != 200:
                raise CommandError(node_api.error_message(response.status, node_api.read_object(response)))
            for piece in self._pieces(response):
                pieces.append(piece)
                yield piece
        self.messages += [turn, {"role": "assistant", "content": "".join(pieces)}]

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[str]:
        for event in _events(response):
            if "error" in event:
                raise CommandError(node_api.error_message(200, event))
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices", []):
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                yield choice.get("delta", {}).get("content") or ""


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The objects of a stream up to its end. Raises `CommandError` when it breaks off."""
    while line := response.readline(node_api.MAX_ANSWER_BYTES):
        if not line.startswith(b"data: "):
            continue
        data = line.removeprefix(b"data: ").strip()
        if data == b"[DONE]":
            return
        yield json.loads(data)
    raise CommandError("The answer broke off before its end. The node's log may say why.")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Ask once, or hold a conversation."""
    api = node_api.connect(settings, args.api)
    talk = Conversation(api=api, model=args.model or _first_model(api), max_tokens=args.max_tokens)
    if args.system:
        talk.messages.append({"role": "system", "content": args.system})
    prompt = " ".join(args.prompt)
    if not prompt and (args.json or not sys.stdin.isatty()):
        prompt = sys.stdin.read(MAX_PROMPT_CHARS)
        if not prompt.strip():
            raise CommandError('There is nothing to ask. Write: chat "a question"', exit_code=2)
    return _once(talk, prompt, as_json=args.json) if prompt else _turns(talk)


def _first_model(api: node_api.Api) -> str:
    status, answer = api.get("/v1/models")
    if status != 200:
        raise CommandError(node_api.error_message(status, answer))
    if models := answer.get("data"):
        return str(models[0]["id"])
    status, health = api.get("/health")
    if status == 200:
        raise CommandError("The node runs no model, and no peer of its offers one. `peers` shows its peers.")
    raise CommandError(f"The node has no model yet: it is {health.get('status', 'silent')}. Try again soon.")


def _once(talk: Conversation, prompt: str, *, as_json: bool) -> int:
    if not as_json:
        _show(talk, prompt)
        return 0
    text = "".join(talk.ask(prompt))
    answer = {"model": talk.model, "answer": text, "finish_reason": talk.finish_reason, "usage": talk.usage}
    output.result_json(answer)
    return 0


def _show(talk: Conversation, prompt: str) -> None:
    for piece in talk.ask(prompt):
        # A model's text is a stranger's: it must not command the terminal.
        sys.stdout.write(output.printable(piece, keep="\n\t"))
        sys.stdout.flush()
    sys.stdout.write("\n")


def _turns(talk: Conversation) -> int:
    with contextlib.suppress(ImportError):  # not every Python has it
        import readline  # noqa: F401 - gives input() a line editor
    output.say(f"Talking to {output.printable(talk.model)}. Ctrl-C stops an answer, Ctrl-D ends.")
    while True:
        try:
            prompt = input("> ")
        except (EOFError, KeyboardInterrupt):
            output.say()
            return 0
        if not prompt.strip():
            continue
        try:
            _show(talk, prompt)
        except KeyboardInterrupt:
            output.say("\n(stopped)")
        except CommandError as error:
            output.say(f"error: {error}")
