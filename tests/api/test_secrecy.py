"""Logs never hold content: a canary goes through every path at the debug level, and is searched for."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode
from reference_node import log
from reference_node.generation import GenerationError

from .fakes import Endless, ends, raises

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Served, Starter

CANARY = "canary-7f3a-the-secret"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.setup("debug", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    for name in log.PACKAGES:
        logging.getLogger(name).setLevel(logging.NOTSET)


async def test_no_log_line_holds_content(start: Starter, lines: io.StringIO) -> None:
    api: Served = await start()
    asyncio.get_running_loop().set_exception_handler(log.loop_exception_handler)
    asked = {"messages": [{"role": "user", "content": CANARY}], "stop": [CANARY], "user": CANARY, CANARY: CANARY}
    for script in (
        ends(FinishReason.STOP, CANARY),
        ends(FinishReason.FAILED, CANARY),
        raises(GenerationError(ErrorCode.INTERNAL), CANARY),
        raises(RuntimeError(CANARY), CANARY),
        raises(ValueError(CANARY), started=False),
    ):
        api.play(script)
        for stream in (True, False):
            await api.chat(**asked, stream=stream)
    await api.chat(**asked, model=CANARY)
    await api.chat(**{**asked, "temperature": CANARY})
    await api.chat(messages=[{"role": CANARY, "content": CANARY}])
    await api.ask("POST", "/v1/chat/completions", f'{{"{CANARY}": '.encode())
    await api.ask("GET", f"/{CANARY}", x_api_key=CANARY, authorization=f"Bearer {CANARY}", user_agent=CANARY)
    await api.ask("GET", f"/v1/models/{CANARY}?{CANARY}={CANARY}")
    await api.ask("GET", "/health", host=CANARY)
    await api.ask(CANARY, "/health")
    endless = Endless(CANARY)
    api.play(endless)
    reader, writer = await api.connect()
    body = json.dumps({"model": "fake-chat", "stream": True, **asked}).encode()
    head = f"POST /chat/completions HTTP/1.1\r\nhost: {api.where}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await reader.readuntil(CANARY.encode())
    writer.close()
    await endless.closed.wait()
    await start.aclose()
    start.running.clear()
    text = lines.getvalue()
    assert CANARY not in text
    events = [json.loads(line) for line in text.splitlines()]
    assert {"http.request", "chat.finished", "chat.failed", "chat.left", "chat.crashed"} <= {e["event"] for e in events}
    assert any("RuntimeError" in event.get("trace", "") for event in events)


async def test_lost_tasks_are_logged_without_their_message(lines: io.StringIO) -> None:
    error = RuntimeError(CANARY)
    log.loop_exception_handler(asyncio.get_running_loop(), {"message": "lost", "exception": error})
    assert CANARY not in lines.getvalue()
    assert json.loads(lines.getvalue())["event"] == "task.failed"


def test_json_lines_have_their_fields(lines: io.StringIO) -> None:
    logger = logging.getLogger("reference_node.somewhere")
    log.event(logger, logging.DEBUG, "something.happened", count=3, text="a\nb", level="mine")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["count"], line["text"], line["level"]) == ("something.happened", 3, "a\nb", "debug")
    assert line["logger"] == "reference_node.somewhere"
    assert line["time"].endswith("Z")


def test_lines_for_people_cannot_be_forged() -> None:
    record = logging.makeLogRecord({"msg": "a\x1b[31m\nb", "levelname": "INFO"})
    line = log.HumanFormatter().format(record)
    assert "\n" not in line
    assert "\x1b" not in line


def test_other_packages_are_heard_from_warning(lines: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.engine").info("parameters")
    logging.getLogger("reference_node.x").debug("ours")
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["ours"]
