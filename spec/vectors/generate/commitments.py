"""Family ``commitments``: hashes that hide a request, hide an answer, name a network, and ask for it blindly."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.answer import Answer, Candidate, Logprob
from mycellm_proto.codec import Value, encode
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import direct_network, request_commitment, response_commitment
from mycellm_proto.networks import blind, network_id
from mycellm_proto.signed import Context, digest, preimage

from .constants import ALICE, ANSWER, ANSWER_SALT, BOB, CAROL, CONTENT, SALT, entropy
from .family import ANY, HEX, DisagreementError, Family, Json, accept, case, record
from .members import NETWORK, OTHER, ROOT
from .notation import noted

_BINDING = entropy("channel binding")


def _blind(caller: bytes) -> bytes:
    return blind(NETWORK, binding=_BINDING, caller=caller)


def _case(slug: str, requirement: str, context: Context, items: list[Value], expected: bytes) -> dict[str, Json]:
    """A hash over ``items``; byte strings after a salt are spliced in as they are."""
    encoded = [encode(item) for item in items]
    if context is Context.REQUEST:
        encoded[1] = CONTENT
    if digest(context, *encoded) != expected:
        raise DisagreementError(slug)
    content: dict[str, Json] = {
        "context": context.value,
        "items": [noted(item) for item in items],
        "intermediate": {"preimage": preimage(context, *encoded).hex()},
    }
    return case(slug, requirement, **content, expect=accept(hash=expected.hex()))


_ONE = Logprob(
    token=Candidate(text=b"Hi", below=510_826),
    top=(Candidate(text=b"Ho", below=356_675), Candidate(text=b"\xf0\x9f", below=1_000_000_000)),
)
_WHOLE = (
    ("answer-with-reasoning", Answer(text="42", reasoning="6 times 7."), FinishReason.STOP),
    (
        "answer-of-calls",
        Answer(calls=(("multiply", '{"a": 6, "b": 7}'), ("clock", ""), ("clock", ""))),
        FinishReason.TOOL_CALLS,
    ),
    ("answer-with-logprobs", Answer(text="Hi", logprobs=(_ONE, replace(_ONE, top=()))), FinishReason.STOP),
    ("answer-of-vectors", Answer(vectors=(bytes.fromhex("0000803f"), bytes.fromhex("000000c0"))), FinishReason.STOP),
)


def _cases() -> list[dict[str, Json]]:
    zero = bytes(32)
    made = [
        _case("request", "RCP-006~1", Context.REQUEST, [SALT, CONTENT], request_commitment(SALT, CONTENT)),
        _case("request-other-salt", "RCP-006~1", Context.REQUEST, [zero, CONTENT], request_commitment(zero, CONTENT)),
        _case("direct-network", "NET-001~1", Context.NETWORK, [{0: "direct"}], direct_network()),
    ]
    made += [
        _case("rooted-network", "NET-010~1", Context.NETWORK, [{0: "rooted", 1: ROOT.public}], network_id(ROOT.public)),
        _case(
            "rooted-network-of-another", "NET-010~1", Context.NETWORK, [{0: "rooted", 1: CAROL.public}], OTHER.network
        ),
        _case("blind", "NET-030~1", Context.BLIND, [_BINDING, ALICE.public, NETWORK], _blind(ALICE.public)),
        _case(
            "blind-of-the-other-side", "NET-030~1", Context.BLIND, [_BINDING, BOB.public, NETWORK], _blind(BOB.public)
        ),
    ]
    answers = (
        ("answer", ANSWER_SALT, ANSWER, FinishReason.STOP, 4),
        ("answer-other-salt", zero, ANSWER, FinishReason.STOP, 4),
        ("answer-empty", ANSWER_SALT, "", FinishReason.CANCELLED, 0),
        ("answer-not-ascii", ANSWER_SALT, "\u6771\u4eac \U0001f344", FinishReason.LENGTH, 300),
    )
    for slug, salt, text, finish, tokens in answers:
        items: list[Value] = [salt, {0: text, 1: int(finish), 2: tokens}]
        expected = response_commitment(salt, Answer(text=text), finish, tokens)
        made.append(_case(slug, "RCP-007~1", Context.RESPONSE, items, expected))
    for slug, answer, finish in _WHOLE:
        items = [ANSWER_SALT, answer.to_value(finish, 4)]
        expected = response_commitment(ANSWER_SALT, answer, finish, 4)
        made.append(_case(slug, "RCP-007~1", Context.RESPONSE, items, expected))
    return made


FAMILY = Family(
    name="commitments",
    description="Commitments to requests and answers, ids of networks, and how they are asked for.",
    notes=(
        "items are in the notation of README.md. hash is the SHA-256 of the encoding of an array: context, then items.",
        "The second item of a request's commitment is the content as it was sent, which is an encoding itself: it is"
        " spliced into the array, not wrapped into a byte string.",
    ),
    verification=(
        "Build the pre-image from context and items, and hash it.",
        "intermediate.preimage is what is hashed. It is given to find a mistake, and is no input: whoever hashes it has"
        " shown nothing.",
    ),
    schema={
        "context": {"enum": [context.value for context in Context]},
        "items": {"type": "array", "items": ANY},
        "intermediate": record(preimage=HEX),
        "expect": record(verdict={"const": "accept"}, hash=HEX),
    },
    cases=_cases,
)
