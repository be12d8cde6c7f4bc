"""Parameters of a request that have to be applied: a part of the family inference."""

from __future__ import annotations

from typing import Any

from conformance.judge.answered import Answers
from conformance.judge.answers_shown import repeats_itself, stops_where_it_has_to, takes_the_likeliest
from conformance.judge.expect import All, Shows
from conformance.script.answering import another, answer, asking
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

PART = Family("inference")
_TWIN = "accept-chat"
_MILLION = 1_000_000


async def _stops(session: Session, *choose: Any) -> None:
    """Ask at temperature 0, and again with stop sequences that are chosen from the chunks of the first answer."""
    first = await asking(session)
    await answer(first, first.content(max_tokens=16))
    texts = [text for text, _ in first.chunks if text]
    for chosen in choose:
        request = another(first.side)
        stops = [each for each in chosen(texts) if each]
        if not stops:
            raise session.untestable("the answer is too short for a stop sequence", "offer a model that talks on")
        await answer(request, request.content(max_tokens=16, k5=stops))


def _expect_stops(count: int) -> All:
    return All((Answers(count=count), Shows("the answer ends before its stop sequence", stops_where_it_has_to)))


@PART.case("stop-at-sequence", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_sequence(session: Session) -> None:
    """A stop sequence inside a piece of text that the model says anyway: the answer ends right before it."""
    await _stops(session, lambda texts: [text.strip() or text for text in texts[3:4]])


@PART.case("stop-at-beginning-of-chunk", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_beginning_of_chunk(session: Session) -> None:
    """The stop sequence is two whole chunks of the first answer: it begins and ends where a chunk does."""
    await _stops(session, lambda texts: ["".join(texts[4:6])])


@PART.case("stop-across-chunks", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(3), twin=_TWIN)
async def stop_across_chunks(session: Session) -> None:
    """The stop sequence is the end of one chunk and the beginning of the next, then half of five chunks.

    Whoever compares it with single tokens never finds it, and whoever compares it with all text so far has already
    sent its beginning.
    """
    await _stops(
        session,
        lambda texts: [texts[2][-1:] + texts[3][:1]] if len(texts) > 3 else [],
        lambda texts: ["".join(texts[2:7])[1:-1]],
    )


@PART.case("stop-at-first-of-several", requirements=("INF-010~1", "INF-011~1"), expect=_expect_stops(2), twin=_TWIN)
async def stop_at_first_of_several(session: Session) -> None:
    """Four stop sequences, of which one never comes: the first that begins in the answer ends it."""
    await _stops(session, lambda texts: ["".join(texts[9:11]), "\x01never", "".join(texts[6:8]), "".join(texts[8:10])])


@PART.case("release-unfinished-stop", requirements=("INF-006~1", "INF-009~1"), expect=_expect_stops(2), twin=_TWIN)
async def release_unfinished_stop(session: Session) -> None:
    """A stop sequence begins in the answer and does not go on: what was held back comes after all, and all of it."""
    await _stops(session, lambda texts: ["".join(texts[2:5]) + "\x01", "".join(texts)[-3:] + "\x01"])


async def _restricted(session: Session, **parameters: int) -> None:
    """Twice at temperature 0, and twice at the highest with parameters that leave the likeliest token alone."""
    side = await Initiator.connected(session)
    for seed, extra in enumerate(({}, {"k6": 2 * _MILLION, **parameters}) * 2):
        request = another(side)
        await answer(request, request.content(max_tokens=6, k12=seed) | _keyed(extra))


def _keyed(parameters: dict[str, int]) -> dict[int, Any]:
    return {int(key[1:]): value for key, value in parameters.items()}


def _applies(slug: str, page: str, **parameters: int) -> None:
    async def script(session: Session) -> None:
        await _restricted(session, **parameters)

    PART.add(
        f"apply-{slug}",
        page=f"{page} So at the highest temperature the answer is still one of temperature 0. A parameter that is lost "
        "on the way gives the answer to another question; one that is not applied has to be refused with UNSUPPORTED.",
        requirements=("INF-006~1",),
        script=script,
        expect=All((Answers(count=4), Shows("only the likeliest tokens are taken", takes_the_likeliest))),
        twin=_TWIN,
    )


_applies("top-p", "A top_p of one millionth leaves the likeliest token alone.", k7=1)
_applies("top-k", "A top_k of 1 leaves the likeliest token alone.", k8=1)
_applies("min-p", "A min_p of one leaves only tokens that are as probable as the likeliest.", k9=_MILLION)


@PART.case(
    "repeat-answer-of-same-seed",
    requirements=("INF-006~1",),
    expect=All((Answers(count=2), Shows("the same seed gives the same answer", repeats_itself))),
    twin=_TWIN,
)
async def repeat_answer_of_same_seed(session: Session) -> None:
    """The same question with the same seed at temperature 1 is meant to give the same answer: else a warning."""
    side = await Initiator.connected(session)
    for _ in range(2):
        request = another(side)
        await answer(request, request.content(max_tokens=6, k12=4242) | {6: _MILLION})
