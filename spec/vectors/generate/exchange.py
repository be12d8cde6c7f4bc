"""Family ``exchange``: whole connections, every write of both sides in order."""

from __future__ import annotations

from collections.abc import Callable

from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import Ended, Failed, Settled
from mycellm_proto.frames import Accept, Error, FrameType, encode
from mycellm_proto.framing import encode_frame
from mycellm_proto.receipt import encode_receipt, receipt_of

from . import constants as c
from .family import BOOLEAN, HEX, NUMBER, DisagreementError, Family, Json, case, nullable, record
from .scene import BINDING, STREAM, WORDS, Scene, write_step


def _complete(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()
    scene.answer(WORDS)
    scene.end(FinishReason.STOP)


def _cancelled(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()
    scene.answer(WORDS[:2])
    scene.alice.cancel(STREAM, scene.clock)
    scene.settle()
    scene.end(FinishReason.CANCELLED)


def _withdrawn(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.alice.cancel(STREAM, scene.clock)
    scene.settle()
    scene.end(FinishReason.CANCELLED)


def _ceiling(scene: Scene) -> None:
    scene.offered()
    scene.ask(ceiling=20)
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()
    scene.answer(WORDS[:2])
    scene.end(FinishReason.CEILING)


def _heartbeat(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()
    scene.now += 20_000
    scene.answer((("", 0), *WORDS))
    scene.end(FinishReason.STOP)


def _busy(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.bob.refuse(STREAM, ErrorCode.BUSY, retry_after_ms=2000)
    scene.settle()


def _failed(scene: Scene) -> None:
    scene.offered()
    scene.ask()
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()
    scene.answer(WORDS[:1])
    scene.bob.refuse(STREAM, ErrorCode.INTERNAL)
    scene.settle()


def _ceiling_too_low(scene: Scene) -> None:
    scene.offered()
    scene.ask(ceiling=12)
    scene.bob.accept(STREAM, c.INPUT_TOKENS)
    scene.settle()


def _first(data: bytes) -> Callable[[Scene], None]:
    """Alice opens a request stream with these bytes."""

    def play(scene: Scene) -> None:
        scene.offered()
        scene.write("initiator", scene.bob, STREAM, data)
        scene.answered()

    return play


def _control(data: bytes) -> Callable[[Scene], None]:
    """Bob's control stream goes on with these bytes."""

    def play(scene: Scene) -> None:
        scene.offered()
        scene.write("responder", scene.alice, 3, data)
        scene.settle()

    return play


def _control_first(data: bytes) -> Callable[[Scene], None]:
    """Alice's control stream begins with these bytes."""

    def play(scene: Scene) -> None:
        scene.greeted()
        scene.write("initiator", scene.bob, 2, data)
        scene.answered()

    return play


def _early(scene: Scene) -> None:
    scene.greeted()
    scene.write("initiator", scene.bob, STREAM, encode(Accept(input_tokens=1)))
    scene.answered()


_Play = Callable[[Scene], None]
_SETTLED: tuple[tuple[str, str, bytes, _Play], ...] = (
    ("complete", "STM-002~1 RCP-018~1 RCP-046~1", b"", _complete),
    ("complete-with-reserved-values", "EXT-004~1 EXT-005~1 EXT-006~1 EXT-007~1", b"grease", _complete),
    ("complete-with-heartbeat", "INF-014~1", b"", _heartbeat),
    ("cancelled", "INF-018~1 INF-023~1 RCP-025~1", b"", _cancelled),
    ("withdrawn-before-accept", "INF-027~2 RCP-025~1", b"", _withdrawn),
    ("ended-at-the-ceiling", "RCP-016~1", b"", _ceiling),
)
_REFUSED: tuple[tuple[str, str, ErrorCode, _Play], ...] = (
    ("refused-busy", "RCP-031~1", ErrorCode.BUSY, _busy),
    ("refused-ceiling-too-low", "RCP-013~2", ErrorCode.CEILING_TOO_LOW, _ceiling_too_low),
    ("given-up-after-a-chunk", "RCP-032~1", ErrorCode.INTERNAL, _failed),
)
# What Bob answers on the stream, though Alice never sent a REQUEST.
_ANSWERED: tuple[tuple[str, str, ErrorCode, _Play], ...] = (
    ("first-frame-of-unknown-odd-type", "ERR-003~2", ErrorCode.UNKNOWN_REQUEST, _first(encode_frame(65, b"?"))),
    ("first-frame-of-unknown-even-type", "ERR-003~2", ErrorCode.UNKNOWN_REQUEST, _first(encode_frame(66, b""))),
    ("first-frame-no-request", "ERR-003~2", ErrorCode.UNKNOWN_REQUEST, _first(encode(Accept(input_tokens=1)))),
    (
        "first-frame-malformed-request",
        "ERR-006~1",
        ErrorCode.MALFORMED,
        _first(encode_frame(FrameType.REQUEST, b"\xff")),
    ),
)
_ALICE, _BOB = "initiator", "responder"
# Who breaks the requirement comes last.
_CLOSED: tuple[tuple[str, str, ErrorCode, _Play, str], ...] = (
    (
        "control-stream-begins-with-unknown-odd-type",
        "EXT-009~1",
        ErrorCode.UNKNOWN_FRAME,
        _control_first(encode_frame(65, b"")),
        _ALICE,
    ),
    (
        "control-stream-begins-with-models",
        "STM-001~1",
        ErrorCode.UNEXPECTED_FRAME,
        _control_first(encode_frame(2, b"\xa1\x00\x80")),
        _ALICE,
    ),
    ("control-stream-unknown-even-type", "EXT-002~1", ErrorCode.UNKNOWN_FRAME, _control(encode_frame(66, b"")), _BOB),
    ("control-stream-request", "STM-001~1", ErrorCode.UNEXPECTED_FRAME, _control(encode(Accept(input_tokens=1))), _BOB),
    ("request-before-authentication", "HSK-013~1", ErrorCode.HANDSHAKE_FAILED, _early, _ALICE),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirements, grease, play in _SETTLED:
        scene = Scene.make(grease=grease)
        play(scene)
        made.append(case(slug, requirements, **_shown(scene, grease=grease), expect=_settled(slug, scene)))
    for slug, requirements, code, play in _REFUSED:
        scene = Scene.make()
        play(scene)
        made.append(case(slug, requirements, **_shown(scene), expect=_refused(slug, scene, code)))
    for slug, requirements, code, play in _ANSWERED:
        scene = Scene.make()
        play(scene)
        if scene.steps[-1] != write_step(scene.now, "responder", STREAM, encode(Error(code=code)), fin=True):
            raise DisagreementError(f"{slug}: {scene.steps[-1]}")
        expect: Json = {"end": "refused", "code": code.name, "owed": 0, "receipt": None}
        made.append(case(slug, requirements, **_shown(scene, rogue=_ALICE), expect=expect))
    for slug, requirements, code, play, rogue in _CLOSED:
        scene = Scene.make()
        play(scene)
        if scene.closed is not code:
            raise DisagreementError(f"{slug}: {scene.closed}")
        expect = {"end": "closed", "code": code.name, "owed": 0, "receipt": None}
        made.append(case(slug, requirements, **_shown(scene, rogue=rogue), expect=expect))
    return made


def _settled(slug: str, scene: Scene) -> Json:
    ended, settled = scene.last(Ended), scene.last(Settled)
    if not isinstance(ended, Ended) or not isinstance(settled, Settled) or ended.evidence != settled.evidence:
        raise DisagreementError(f"{slug}: the sides do not agree")
    receipt = encode_receipt(receipt_of(settled.evidence))
    return {"end": "settled", "code": None, "owed": ended.close.total, "receipt": receipt.hex()}


def _refused(slug: str, scene: Scene, code: ErrorCode) -> Json:
    failed = scene.last(Failed)
    if not isinstance(failed, Failed) or failed.code != code:
        raise DisagreementError(f"{slug}: {failed}")
    return {"end": "refused", "code": code.name, "owed": failed.owed, "receipt": None}


def _shown(scene: Scene, *, grease: bytes = b"", rogue: str | None = None) -> dict[str, Json]:
    return {
        "secrets": {
            "initiator_seed": c.entropy("alice").hex(),
            "responder_seed": c.entropy("bob").hex(),
            "request_salt": c.SALT.hex(),
            "answer_salt": c.ANSWER_SALT.hex(),
            "chain_seed": c.CHAIN_SEED.hex(),
            "grease": grease.hex(),
        },
        "binding": BINDING.hex(),
        "began": c.NOW,
        "pinned": True,
        "rogue": rogue,
        "steps": scene.steps,
    }


_AT: dict[str, Json] = {"at": NUMBER, "from": {"enum": ["initiator", "responder"]}}
_STEP: Json = {
    "anyOf": [
        record(_AT, stream=NUMBER, hex=HEX, fin=BOOLEAN),
        record(_AT, close={"enum": [code.name for code in ErrorCode]}),
    ]
}

FAMILY = Family(
    name="exchange",
    description="Recorded connections: every write to a stream, by both sides, in order.",
    notes=(
        "Both sides are on one connection with this channel binding, and know each other's ids beforehand where pinned"
        " is true. It began at began, in seconds since 1970. The initiator is the consumer.",
        "A step is a write of one side to a stream, with the end of the stream where fin is true, or its"
        " CONNECTION_CLOSE with a code. at is milliseconds since the beginning; each step has arrived when the next is"
        " made.",
        "expect.end is settled (the provider holds the receipt), refused (the request ended with ERROR and code) or"
        " closed (the connection ended with code); owed is in micro-credits.",
        "rogue is the side that breaks a requirement; null where both are honest.",
        "secrets.grease is empty, or the seed of reserved values (EXT-004, EXT-005): each side's draw number n, from 1,"
        " is 65 + 62 b with b the first byte of SHA-256(grease || n as 4 bytes, most significant first). What each is"
        " drawn for is seen in the steps.",
    ),
    verification=(
        "Play one side or both: feed each step to its reader, and check that what its writer says is right by what came"
        " before.",
        "Make every byte of an honest side again from the secrets. That is for your own test: the outcome does not show"
        " it.",
    ),
    schema={
        "secrets": record(
            initiator_seed=HEX, responder_seed=HEX, request_salt=HEX, answer_salt=HEX, chain_seed=HEX, grease=HEX
        ),
        "binding": HEX,
        "began": NUMBER,
        "pinned": BOOLEAN,
        "rogue": nullable({"enum": [_ALICE, _BOB]}),
        "steps": {"type": "array", "items": _STEP, "minItems": 1},
        "expect": record(
            end={"enum": ["settled", "refused", "closed"]},
            code=nullable({"enum": [code.name for code in ErrorCode]}),
            owed=NUMBER,
            receipt=nullable(HEX),
        ),
    },
    cases=_cases,
)
