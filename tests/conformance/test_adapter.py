"""Adapters as programs: a good one is believed, and whatever a bad one does is reported and hangs nothing."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance import cli
from conformance.cases.registry import cases
from conformance.data import sets, specification
from conformance.honest.adapter import CAPABILITIES, HonestAdapter
from conformance.honest.node import Node
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.running.execute import execute
from conformance.running.live import Adapters, LiveEnvironment
from conformance.running.memory import MemoryEnvironment, run_virtually, transcript_of
from conformance.running.run import Selection
from conformance.script.session import Environment
from conformance.wire.adapter import AdapterError, Program, hello, probe
from conformance.wire.transcript import dump, load

CASE = cases()["consumer/pay-and-agree"]
HELLO: dict[str, Any] = {
    "adapter": 1,
    "implementation": {"name": "test", "version": "1"},
    "roles": ["consumer"],
    "capabilities": ["start", "dial", "ask", "answer"],
}
Make = Callable[[str], list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Make:
    """A program whose ``reply(request)`` is the given body, and which says hello as a good one."""

    def make(body: str) -> list[str]:
        lines = [
            "import json, os, sys, time",
            f"HELLO = {HELLO!r}",
            "def reply(request):",
            textwrap.indent(textwrap.dedent(body), "    "),
            "for line in sys.stdin:",
            "    request = json.loads(line)",
            "    answer = {'result': HELLO} if request['verb'] == 'hello' else reply(request)",
            "    print(json.dumps({'id': request['id'], **answer}), flush=True)",
        ]
        path = tmp_path / "adapter.py"
        path.write_text("\n".join(lines), encoding="utf-8")
        return [sys.executable, str(path)]

    return make


@asynccontextmanager
async def started(command: list[str]) -> AsyncIterator[Program]:
    adapter = await Program.start(command)
    try:
        yield adapter
    finally:
        await adapter.aclose()


async def test_what_is_unknown_has_to_be_unsupported(program: Make) -> None:
    async with started(program("return {'unsupported': request['verb']}")) as adapter:
        assert (await hello(adapter)).capabilities == frozenset(HELLO["capabilities"])
        with pytest.raises(AdapterError, match=r"'start\.xyz' as unsupported"):
            await probe(adapter, "xyz")


async def test_a_program_that_agrees_to_everything_is_not_believed(program: Make) -> None:
    with pytest.raises(AdapterError, match="nothing that it says counts"):
        await Adapters.open(program("return {'result': {}}"), "xyz")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.stderr.write('boom\\n'); sys.stderr.flush(); os._exit(3)", "the adapter ended"),
        ("print('hello there', flush=True)\nreturn {'result': {}}", "which is no reply"),
        ("return {'result': {}, 'refused': 'BUSY'}", "which is no reply"),
        ("return {'result': {'node': 'me'}}", "result of 'start' is none"),
        ("time.sleep(60)", "does not answer 'start' in"),
    ],
)
async def test_what_a_bad_program_does_is_told(program: Make, body: str, said: str) -> None:
    async with started(program(body)) as adapter:
        with pytest.raises(AdapterError, match=said):
            await adapter.call("start", {}, within=1)
        assert adapter.broken  # nobody asks it for anything again
        with pytest.raises(AdapterError, match=said):
            await adapter.call("stop", {})


async def test_the_last_words_of_a_program_are_shown(program: Make) -> None:
    async with started(program("sys.stderr.write('boom\\n'); sys.stderr.flush(); time.sleep(0.2); os._exit(3)")) as it:
        with pytest.raises(AdapterError, match="boom"):
            await it.call("start", {}, within=10)


async def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be started"):
        await Program.start([str(tmp_path / "nothing")])


async def test_a_crash_is_a_fault_of_the_harness_and_ends_no_run(program: Make) -> None:
    known = "return {'unsupported': 'start.xyz' if request['verb'] == 'start' else request['verb']}"
    command = program(f"if 'xyz' in (request['verb'], *request['options']): {known}\nos._exit(3)")
    adapters = await Adapters.open(command, "xyz")
    try:
        environment = LiveEnvironment("127.0.0.1", 1, None, adapters)
        for _ in range(2):  # the second has a program of its own
            transcript = await execute(CASE, environment, seed=b"test")
            assert judge(CASE, transcript).verdict is Verdict.HARNESS_ERROR
            assert judge(CASE, load(dump(transcript))).verdict is Verdict.HARNESS_ERROR
    finally:
        await adapters.aclose()


class Breaks(HonestAdapter):
    """Declares everything, and does not know how to ask."""

    async def handle(self, verb: str, options: Any) -> dict[str, Any]:
        return {"unsupported": "ask"} if verb == "ask" else await super().handle(verb, options)


def test_what_is_declared_and_unsupported_is_a_failure() -> None:
    judgement = judge(CASE, transcript_of(CASE, Node, adapter=Breaks))
    assert judgement.verdict is Verdict.FAIL
    assert "declares what it does not support" in judgement.findings[0].message


@pytest.mark.parametrize(
    ("capabilities", "verdict"),
    [(None, Verdict.UNTESTABLE), (CAPABILITIES - {"ask"}, Verdict.NOT_APPLICABLE)],
)
def test_what_is_missing_is_no_failure(capabilities: frozenset[str] | None, verdict: Verdict) -> None:
    async def run() -> Verdict:
        environment: Environment = MemoryEnvironment(Node, seed=b"test")
        environment.capabilities = capabilities
        return judge(CASE, await execute(CASE, environment, seed=b"test")).verdict

    assert run_virtually(run) is verdict


def test_without_an_adapter_no_case_asks_for_one() -> None:
    assert not [each for each in Selection(scope=sets()["responder"], tier="full").cases() if each.needs]
    assert [each for each in Selection(scope=sets()["node"], tier="full").cases() if each.needs]


def test_every_capability_that_a_case_needs_is_in_the_description() -> None:
    text = (specification() / "adapter" / "README.md").read_text(encoding="utf-8")
    for need in sorted({each for case in cases().values() for each in case.needs}):
        assert all(f"`{part}`" in text for part in need.split(".")), need


def test_the_schema_has_a_result_for_every_verb() -> None:
    schema = json.loads((specification() / "adapter" / "messages.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    verbs = {each for each in CAPABILITIES if "." not in each} | {"hello"}
    assert schema["$defs"]["results"].keys() == verbs


@pytest.mark.timeout(120)
def test_the_reference_adapter_runs_a_consumer_and_a_crash() -> None:
    command = [sys.executable, "-m", "reference_node.adapter"]
    wanted = ("consumer/pay-and-agree", "ledger/keep-the-receipt-through-a-crash", "ledger/refuse-a-withdrawn-model")

    async def run() -> dict[str, list[str]]:
        adapters = await Adapters.open(command, "xyz")
        try:
            environment = LiveEnvironment("127.0.0.1", 1, None, adapters)
            judged = [judge(cases()[each], await execute(cases()[each], environment, seed=b"test")) for each in wanted]
        finally:
            await adapters.aclose()
        return {each.case.id: [finding.message for finding in each.findings] for each in judged}

    assert asyncio.run(run()) == {each: [] for each in wanted}


def test_the_command_line(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run"]) == 2
    assert "--adapter CMD" in capsys.readouterr().err
    assert cli.main(["run", "--adapter", "no-such-program"]) == 2
    assert "there is no such program" in capsys.readouterr().err
    assert cli.main(["run", "--adapter", shlex.join(program("return {'result': {}}"))]) == 4
    assert "nothing that it says counts" in capsys.readouterr().err
