"""A backend that misbehaves: each fault is a clear error, none of its words gets out, and the key goes nowhere else."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from mycellm_proto.content import Sampling
from mycellm_proto.errors import ErrorCode
from reference_node.backend import BackendState, Trouble
from reference_node.backend import transport as transport_module
from reference_node.backend.lines import MAX_LINE, EventReader, TooLargeError
from reference_node.generation import Delta, Event, Finished, GenerationError, Started

from .conftest import KEY, Watch, ask, collect
from .server import DONE, STREAM, Answer, Server, counts, event, head, piece, plain, said, streamed, usage, whole

SECRET = "the prompt of somebody"


async def fails(model: object, request: object) -> GenerationError:
    with pytest.raises(GenerationError) as caught:
        await collect(model, request)
    assert caught.value.__cause__ is None
    return caught.value


def after_the_count(answer: Answer) -> object:
    return lambda asked: plain(asked) if counts(asked) else answer


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_the_key_stays(
    server: Server, watch: Watch, path: str, status: int
) -> None:
    thief = Server()
    await thief.start()
    watched = await watch()
    model = await watched.model()
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    away = lambda _: whole({}, status, location=f"{thief.url}/chat/completions")  # noqa: E731
    server.answer = server.listing = away
    if path == "/v1/models":
        watched.backend._look.set()
    else:
        assert (await fails(model, ask())).code is ErrorCode.INTERNAL
    assert await watched.down() == Trouble.REDIRECT.value
    assert watched.backend.infos() == []
    assert thief.asked == []
    await thief.stop()


async def test_nothing_is_taken_from_the_environment(
    server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = Server()
    await thief.start()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{thief.port}")
    await collect(await (await watch()).model(), ask())
    assert thief.asked == []
    await thief.stop()


async def test_cookies_are_not_kept(server: Server, watch: Watch) -> None:
    server.listing = lambda _: whole({"data": server.models}, set_cookie="id=42; Path=/")
    await collect(await (await watch()).model(), ask())
    assert all("cookie" not in each.headers for each in server.asked)


@pytest.mark.parametrize(
    "case",
    [
        (429, {}, ErrorCode.BUSY),
        (503, {}, ErrorCode.BUSY),
        (500, {}, ErrorCode.INTERNAL),
        (401, {}, ErrorCode.INTERNAL),
        (403, {}, ErrorCode.UNSUPPORTED),
        (404, {}, ErrorCode.UNKNOWN_MODEL),
        (400, {}, ErrorCode.UNSUPPORTED),
        (422, {"param": "seed"}, ErrorCode.UNSUPPORTED),
        (400, {"code": "context_length_exceeded"}, ErrorCode.CONTEXT_TOO_LONG),
    ],
)
async def test_an_error_status_becomes_a_code_and_never_text(
    server: Server, watch: Watch, case: tuple[int, dict[str, str], ErrorCode], caplog: pytest.LogCaptureFixture
) -> None:
    status, error, code = case
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: whole({"error": {"message": SECRET, **error}}, status, retry_after="7")
    raised = await fails(await (await watch()).model(), ask(SECRET, sampling=Sampling(seed=1)))
    assert raised.code is code
    assert raised.retry_after == (7 if code is ErrorCode.BUSY else None)
    assert raised.parameter == error.get("param")
    assert SECRET not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"},
        {"type": "exceed_context_size_error", "n_ctx": 4096, "n_prompt_tokens": 5000},
    ],
)
async def test_a_prompt_that_is_too_long_keeps_its_numbers(
    server: Server, watch: Watch, error: dict[str, object]
) -> None:
    server.answer = lambda _: whole({"error": error}, 400)
    raised = await fails(await (await watch()).model(), ask())
    assert (raised.code, raised.limit, raised.actual) == (ErrorCode.CONTEXT_TOO_LONG, 4096, 5000)


async def test_a_refused_key_withdraws_the_models_until_it_is_taken(server: Server, watch: Watch) -> None:
    watched = await watch()
    model = await watched.model()
    models = server.listing
    server.answer = server.listing = lambda _: whole({}, 401)
    await fails(model, ask())
    assert watched.backend.infos() == []
    assert await watched.down() == Trouble.KEY.value
    server.listing, server.answer = models, plain
    await collect(await watched.model(), ask())
    assert watched.backend.status().state is BackendState.UP


@pytest.mark.parametrize(
    "pieces",
    [
        (b"data: {not json}\n\n",),
        (b"data: []\n\n",),
        (b"data: " + b"[" * 100_000 + b"\n\n",),
        (event({"choices": 5}),),
        (event({"choices": [{"delta": "x"}]}),),
        (event({"choices": [{"delta": {"content": 5}}]}),),
        (event({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]}),),
        (piece(content="x", finish="abort"),),
        (piece(content="x"), piece(finish="stop"), event({"choices": [], "usage": {"prompt_tokens": -1}}), DONE),
        (piece(content="x"), event({"error": {"message": SECRET, "type": "server_error"}})),
        (piece(content="x"), event({"error": SECRET})),
        (piece(content="x"), usage(), DONE),  # without a reason
        (piece(content="x"), piece(finish="stop")),  # cut before its count
        (piece(content="x"),),
        (b"data: " + b"x" * (MAX_LINE + 1),),
    ],
)
async def test_an_answer_that_breaks_in_the_middle_is_never_whole(
    server: Server, watch: Watch, pieces: tuple[bytes, ...]
) -> None:
    server.answer = after_the_count(streamed(*pieces))  # type: ignore[assignment]
    model = await (await watch()).model()
    events: list[Event] = []
    with pytest.raises(GenerationError) as caught:
        await collect(model, ask(), events)
    assert caught.value.code is ErrorCode.INTERNAL
    assert isinstance(events[0], Started)
    assert not any(isinstance(each, Finished) for each in events)
    assert SECRET not in "".join(each.text for each in events if isinstance(each, Delta))


@pytest.mark.parametrize(
    "answer",
    [
        lambda: whole({"choices": []}),  # no stream
        lambda: said(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\nxxxx"),
        lambda: said(b"SSH-2.0-x\r\n\r\n"),
        lambda: said(b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"y" * 200_000 + b"\r\n\r\n"),
        said,
    ],
    ids=["no stream", "deflated", "no HTTP", "headers", "nothing"],
)
async def test_what_is_no_answer_at_all(server: Server, watch: Watch, answer: object) -> None:
    server.answer = lambda _: answer()  # type: ignore[operator]
    assert (await fails(await (await watch()).model(), ask())).code is ErrorCode.INTERNAL


@pytest.mark.parametrize("listing", [{}, {"data": 5}, {"data": [5]}, [], "x"])
async def test_what_is_no_list_of_models(server: Server, watch: Watch, listing: object) -> None:
    server.listing = lambda _: whole(listing)
    assert await (await watch()).down() == Trouble.GARBLED.value


async def test_a_list_larger_than_is_read(server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_BODY", 1000)
    server.listing = lambda _: said(head(), b"[" * 5000)
    assert await (await watch()).down() == Trouble.TOO_LARGE.value


async def test_silence_in_the_middle_ends_an_answer(
    server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module.EventStream.next, "__kwdefaults__", {"silence": 0.2})

    async def stuck() -> Answer:
        yield STREAM + piece(content="x")
        await server.left.wait()

    server.answer = after_the_count(stuck())  # type: ignore[assignment]
    raised = await fails(await (await watch()).model(), ask())
    assert raised.code is ErrorCode.TIMEOUT
    async with asyncio.timeout(10):
        await server.left.wait()


async def test_a_peer_is_told_to_come_back_where_nothing_begins(
    server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reference_node.backend.model.PEER_PATIENCE_S", 0.2)

    async def stuck() -> Answer:
        yield STREAM
        await server.left.wait()

    server.answer = lambda _: stuck()
    watched = await watch()
    assert (await fails(await watched.model(owner=bytes(32)), ask())).code is ErrorCode.BUSY
    await server.left.wait()
    server.left.clear()
    assert (await fails(await watched.model(), ask(deadline_ms=200))).code is ErrorCode.DEADLINE_EXCEEDED


async def test_down_at_the_start_and_again_in_the_middle(server: Server, watch: Watch) -> None:
    await server.stop()
    watched = await watch()
    assert await watched.down() == Trouble.UNREACHABLE.value
    assert watched.changes == 0
    await server.start()
    model = await watched.model()
    await collect(model, ask())
    assert (watched.changes, watched.backend.status().state) == (1, BackendState.UP)
    await server.stop()
    assert (await fails(model, ask())).code is ErrorCode.INTERNAL
    assert watched.backend.infos() == []
    assert watched.changes == 2
    await server.start()
    await collect(await watched.model(), ask())


async def test_one_that_has_loaded_nothing_yet_is_asked_again_soon(server: Server, watch: Watch) -> None:
    models = list(server.models)
    server.models.clear()
    watched = await watch()
    await watched.until(lambda: watched.backend.status().state is BackendState.UP)
    assert watched.backend.status().detail
    server.models.extend(models)
    await collect(await watched.model(), ask())
    assert watched.backend.status().detail == ""


async def test_a_model_that_is_listed_no_more_is_withdrawn(server: Server, watch: Watch) -> None:
    server.models.append({"id": "small", "max_model_len": 100})
    watched = await watch()
    model = await watched.model("small")
    del server.models[1]
    server.answer = lambda asked: whole({}, 404) if asked.body["model"] == "small" else plain(asked)
    assert (await fails(model, ask())).code is ErrorCode.UNKNOWN_MODEL
    await watched.until(lambda: [info.id for info in watched.backend.infos()] == ["big"])


async def test_names_contexts_and_what_cannot_be_served(server: Server, watch: Watch) -> None:
    server.models[:] = [
        {"id": "a/b", "max_model_len": 100},
        {"id": "no context"},
        {"id": "deep", "owned_by": "llamacpp", "meta": {"n_ctx_train": 100_000}},
        {"id": "other", "max_model_len": 100},
    ]
    server.answer = lambda asked: (
        whole({"default_generation_settings": {"n_ctx": 2048}}) if asked.path == "/props" else plain(asked)
    )
    watched = await watch(backend_model=("a/b=ours", "no context=mine", "deep", "gone"))
    await watched.until(lambda: bool(watched.backend.infos()))
    found = {info.id: info.context_length for info in watched.backend.infos()}
    assert found == {"ours": 100, "deep": 2048}
    assert set(watched.backend.status().refused) == {"no context", "gone"}
    await collect(await watched.model("ours"), ask())
    assert server.posts[-1].body["model"] == "a/b"
    assert "repetition_penalty" in (await watched.model("deep")).info.abilities.parameters
    assert "repetition_penalty" not in (await watched.model("ours")).info.abilities.parameters


async def test_two_names_are_two_digests_and_a_name_is_one_everywhere(server: Server, watch: Watch) -> None:
    server.models.append({"id": "small", "max_model_len": 100})
    first, second = await watch(), await watch(backend_model="big=mine")
    digests = [(await watched.model(name)).info.digest for watched, name in ((first, "big"), (first, "small"))]
    assert digests[0] != digests[1]
    mine = (await second.model("mine")).info
    assert (mine.digest, mine.proxied) == (digests[0], True)


def test_events_are_the_same_however_they_are_cut() -> None:
    stream = b": hi\r\n\r\ndata: a\r\ndata:b\r\n\r\nid: 5\nevent: x\ndata: c\n\n\n\ndata: d"
    reader = EventReader()
    assert reader.feed(stream) == [b"a\nb", b"c"]
    reader = EventReader()
    assert [event for at in range(len(stream)) for event in reader.feed(stream[at : at + 1])] == [b"a\nb", b"c"]


def test_an_event_of_many_lines_is_bounded() -> None:
    reader = EventReader()
    half = b"data: " + b"x" * (MAX_LINE // 2) + b"\n"
    reader.feed(half)
    with pytest.raises(TooLargeError):
        reader.feed(half)


def test_comments_are_not_collected() -> None:
    reader = EventReader()
    for _ in range(3):
        assert reader.feed(b": " + b"x" * (MAX_LINE // 2) + b"\n") == []
    assert json.loads(reader.feed(b"data: 1\n\n")[0]) == 1
