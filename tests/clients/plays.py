"""What clients are made to do against a node: checks of a program on an SDK, turns of a command, a suite."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .install import PYPI, Package
from .nodes import EMBEDDED, KEY, LOCAL, PLACES, SCRIPTED_TEXT, Served
from .sandbox import Sandbox
from .verdict import FAILED, PASSED, Ended, Verdict, judged

PROGRAMS = Path(__file__).parent / "programs"
WITHOUT_S = 12.0
"""A client that is told of no node must not find it in this time; then it is stopped in whatever it tries."""
QUESTION = "Reply with one word: ping"
TOO_LONG = ("models import", "Prompt is too long", "out of room in the model's context window")
"""A prompt that the embedded model has no room for is answered with what to do about it. Claude Code and Codex know the
error of their API, and say it in words of their own.
"""
ANY_REFUSAL = frozenset(range(400, 500))

Checks = Iterator[Verdict]
Command = Callable[[str], Sequence[str]]
"""A command line for a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client, and ``play``: everything that it does against a node, as verdicts."""

    name: str
    package: Package
    play: Callable[[Client, Served, Sandbox], Checks]
    exports: tuple[str, ...] = ()
    """Clients of `env` whose lines its user exports."""
    places: tuple[str, ...] = PLACES
    program: str = ""
    tolerated: frozenset[int | str] = frozenset()
    """Refusals, and events in the log, that this client asks for; whatever else is refused is a problem."""
    environ: Callable[[], Mapping[str, str]] = dict
    """Variables that it needs beyond what `env` says, for want of a network."""


def play(client: Client, served: Served, box: Sandbox) -> Checks:
    """Everything of one client against one node; what raises is a verdict too."""
    yield from logged(_safely(client.play(client, served, box)), client, served)


def logged(checks: Checks, client: Client, served: Served) -> Checks:
    """The same checks, and then what the nodes' logs say of them."""
    begun = len(served.log())
    yield from checks
    tolerated = client.tolerated | (ANY_REFUSAL if served.place == EMBEDDED else frozenset())
    yield judged("logs are clean", "; ".join(dict.fromkeys(_complaints(served.log()[begun:], tolerated)))[:400])


def _safely(checks: Checks) -> Checks:
    try:
        yield from checks
    except Exception as error:  # noqa: BLE001 - the other clients go on
        yield Verdict("harness", FAILED, f"{type(error).__name__}: {error}"[:400])


def _complaints(entries: Sequence[Mapping[str, object]], tolerated: frozenset[int | str]) -> Iterator[str]:
    for entry in entries:
        if entry.get("level") in ("warning", "error") and entry.get("event") not in tolerated:
            yield f"{entry.get('level')}: {entry.get('event')} {entry.get('message') or ''}".strip()
        status = entry.get("status") if entry.get("event") == "http.request" else None
        if isinstance(status, int) and status >= 400 and status not in tolerated:
            yield f"{entry.get('method')} {entry.get('route')} was answered with {status}"


def _without(served: Served, box: Sandbox, command: Sequence[str], variables: Mapping[str, str]) -> Verdict:
    """The same command and key without the variable: the node is not asked, so the variable is what leads there."""
    begun = len(served.log())
    ended = box.run(command, {name: value for name, value in variables.items() if "BASE" not in name}, WITHOUT_S)
    asked = any(entry.get("event") == "http.request" for entry in served.log()[begun:])
    return judged("without the variable", "the node was asked all the same" if asked else "", ended.seconds)


# Programs on SDKs


def sdk(client: Client, served: Served, box: Sandbox) -> Checks:
    """The checks that a program reports, one a line."""
    yield from program(_program_command(client), client, served, box)


def program(command: Sequence[str], client: Client, served: Served, box: Sandbox) -> Checks:
    """The same with a command of the caller's."""
    variables = served.variables(*client.exports)
    variables |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"} | dict(client.environ())
    variables |= {} if served.place == EMBEDDED else {"CHECK_EXPECTED": SCRIPTED_TEXT}
    ended = box.run(command, variables)
    lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith('{"check"')]
    for line in lines:
        yield Verdict(line["check"], PASSED if line["passed"] else FAILED, line["detail"], line["seconds"])
    if not lines or ended.status is None or (ended.status and all(line["passed"] for line in lines)):
        yield judged("program", ended.told())
    if served.place == LOCAL:
        first = variables | {"CHECK_ONLY": "chat,message,invoke"}
        yield _without(served, box, command, first)


def _program_command(client: Client) -> Sequence[str]:
    if client.package.index == PYPI:
        return (client.package.program("python"), str(PROGRAMS / client.program))
    copy = client.package.folder() / client.program  # Node looks for packages beside the program
    copy.write_bytes((PROGRAMS / client.program).read_bytes())
    return ("node", str(copy))


# Commands


def claude(client: Client, served: Served, box: Sandbox) -> Checks:
    """Claude Code, with its own name of a model and its own tools."""

    def command(prompt: str) -> Sequence[str]:
        return (client.package.program("claude"), "-p", prompt, "--allowedTools", "Bash")

    yield from _turns(command, client, served, box, "Bash")


def opencode(client: Client, served: Served, box: Sandbox) -> Checks:
    """OpenCode, with a model of OpenAI's by name."""

    def command(prompt: str) -> Sequence[str]:
        return (client.package.program("opencode"), "run", "-m", "openai/gpt-5", prompt)

    yield from _turns(command, client, served, box, "bash")


def codex(client: Client, served: Served, box: Sandbox) -> Checks:
    """Codex, with the settings that `env` puts between ``codex exec`` and the prompt."""
    settings = shlex.split(served.command("codex"))[2:-1]

    def command(prompt: str, settings: Sequence[str] = settings) -> Sequence[str]:
        return (client.package.program("codex"), "exec", *settings, "--skip-git-repo-check", prompt)

    # Its tools are functions of JavaScript, which the tool ``exec`` runs.
    yield from _turns(command, client, served, box, ("exec", {"input": "text('from the tool')"}))
    if served.place == LOCAL:
        yield _without(served, box, command(QUESTION, ()), served.variables(*client.exports))


def _turns(
    command: Command, client: Client, served: Served, box: Sandbox, tool: str | tuple[str, Mapping[str, str]]
) -> Checks:
    """A turn, one with a tool, and one without the variable. A tool without arguments runs a command of the shell."""
    variables = served.variables(*client.exports)
    ended = box.run(command(QUESTION), variables)
    if served.place == EMBEDDED:
        told = any(words in ended.output for words in TOO_LONG)
        check = "overflow is explained" if told or ended.status else "turn"  # where the prompt has room after all
        yield judged(check, "" if told or ended.status == 0 else ended.told(), ended.seconds)
        return
    answered = ended.status == 0 and SCRIPTED_TEXT in ended.output
    yield judged("turn", "" if answered else ended.told(), ended.seconds)
    mark = box.work / "mark.txt"
    shell = {"command": f"echo tool-ran > {mark}", "description": "Leave a mark"}
    name, words = (tool, shell) if isinstance(tool, str) else tool
    ended = box.run(command(calling(name, words)), variables)
    worked = ended.status == 0 and "TOOL_RESULT_SEEN" in ended.output and (mark.exists() or words is not shell)
    yield judged("tool turn", "" if worked else ended.told(), ended.seconds)
    if served.place == LOCAL and words is shell:
        yield _without(served, box, command(QUESTION), variables)


def aider(client: Client, served: Served, box: Sandbox) -> Checks:
    """aider: a turn, and an edit of a file."""
    variables = served.variables(*client.exports)

    def command(prompt: str) -> Sequence[str]:
        name = f"openai/{served.model}"
        return (client.package.program("aider"), "--model", name, "--yes-always", "--message", prompt)

    ended = box.run(command(QUESTION), variables)
    expected = "received." if served.place == EMBEDDED else SCRIPTED_TEXT  # its own line on tokens, after an answer
    yield judged("turn", "" if ended.status == 0 and expected in ended.output else ended.told(), ended.seconds)
    if served.place == EMBEDDED:
        return
    ended = box.run(command(saying(f"{SCRIPTED_TEXT}\n\nmark.txt\n```\ntool-ran\n```\n")), variables)
    mark = box.work / "mark.txt"
    worked = mark.exists() and "tool-ran" in mark.read_text()
    yield judged("edit", "" if worked else ended.told(), ended.seconds)
    if served.place == LOCAL:
        yield _without(served, box, command(QUESTION), variables)


def calling(tool: str, arguments: Mapping[str, object]) -> str:
    """A prompt that makes the scripted engine call a tool."""
    return f"CALL_TOOL_B64 {tool} {base64.b64encode(json.dumps(arguments).encode()).decode()}"


def saying(text: str) -> str:
    """A prompt that makes the scripted engine say a text."""
    return f"SAY_B64 {base64.b64encode(text.encode()).decode()}"


# Suites


def comply(client: Client, served: Served, box: Sandbox) -> Checks:
    """Every test of llm-comply, for three families."""
    yield from comply_with(client.package.program("llm-comply"), served, box)


def comply_with(suite: str, served: Served, box: Sandbox) -> Checks:
    """The same with a program of the caller's."""
    anthropic = ("--auth-header", "x-api-key", "--no-bearer", "-H", "anthropic-version:2023-06-01")
    for family in ("openai-chat", "open-responses", "anthropic"):
        # by names that think, since it asks no other for reasoning
        more = ("-m", "claude-sonnet-4-5", *anthropic) if family == "anthropic" else ("-m", "gpt-5")
        command = (suite, "-u", f"{served.url}/v1", "-k", KEY, "--format", family, "--json", *more)
        ended = box.run(command, {})
        yield from _complied(family, ended)


def _complied(family: str, ended: Ended) -> Checks:
    try:
        results = json.loads(ended.output[ended.output.index("{") :])["results"]
    except (ValueError, KeyError):
        results = []
    for result in results:
        problem = "; ".join(map(str, result.get("errors") or ())) or str(result.get("status"))
        passed = result.get("status") in ("passed", "pass")
        yield judged(f"{family}: {result.get('id')}", "" if passed else problem[:400])
    if not results:
        yield judged(family, ended.told(), ended.seconds)


def schemathesis(client: Client, served: Served, box: Sandbox) -> Checks:
    """No server error, whatever the node's own description allows or forbids."""
    command = (
        client.package.program("st"), "run", f"{served.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}",
        "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", "25",
        "--seed", "1", "--request-timeout", "30", "--no-color",
    )  # fmt: skip
    ended = box.run(command, {}, 600)
    yield judged("own description", "" if ended.status == 0 else ended.told(), ended.seconds)
