"""Family ``signing``: what a writer signs, with all that it makes on the way."""

from __future__ import annotations

from mycellm_proto.codec import decode
from mycellm_proto.economy import countersign
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed, digest, preimage

from . import constants as c
from .family import ANY, HEX, DisagreementError, Family, Json, accept, case, record
from .hello import ALICE_SIGNED, BOB_SIGNED
from .notation import noted

# RFC 8032 section 7.1, TEST 1 to 3: seed, message, signature.
_RFC = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)
_OBJECTS: tuple[tuple[str, str, Context, Signed], ...] = (
    ("hello-of-the-responder", "bob", Context.HELLO, BOB_SIGNED),
    ("hello-of-the-initiator", "alice", Context.HELLO, ALICE_SIGNED),
    ("quote", "bob", Context.QUOTE, c.SIGNED_QUOTE),
    ("open", "alice", Context.OPEN, c.SIGNED_OPEN),
    ("close", "bob", Context.CLOSE, c.SIGNED_CLOSE),
)
_REQUIREMENTS = "KEY-001~1 SIG-002~1"
_Case = dict[str, Json]


def _cases() -> list[dict[str, Json]]:
    made = []
    for number, (seed, message, signature) in enumerate(_RFC, 1):
        key = SigningKey(bytes.fromhex(seed))
        if key.sign(bytes.fromhex(message)).hex() != signature:
            raise DisagreementError(f"RFC 8032, TEST {number}")
        expect = accept(public=key.public.hex(), signature=signature)
        made.append(case(f"rfc-8032-test-{number}", "KEY-001~1", seed=seed, message=message, expect=expect))
    for name, signer, context, signed in _OBJECTS:
        key = SigningKey(c.entropy(signer))
        if Signed.make(key, context, decode(signed.body)) != signed:
            raise DisagreementError(name)
        expect = accept(
            public=key.public.hex(),
            signature=signed.signature.hex(),
            preimage=preimage(context, signed.body).hex(),
            hash=digest(context, signed.body).hex(),
        )
        cited = f"{_REQUIREMENTS} SIG-003~1"
        made.append(_object(name, requirements=cited, signer=signer, context=context, signed=signed, expect=expect))
    expect = accept(
        public=c.ALICE.public.hex(),
        signature=countersign(c.ALICE, c.SIGNED_CLOSE).hex(),
        preimage=preimage(Context.COUNTERSIGN, c.SIGNED_CLOSE.body).hex(),
    )
    made.append(
        _object(
            "countersignature",
            requirements=_REQUIREMENTS,
            signer="alice",
            context=Context.COUNTERSIGN,
            signed=c.SIGNED_CLOSE,
            expect=expect,
        )
    )
    return made


def _object(name: str, *, requirements: str, signer: str, context: Context, signed: Signed, expect: Json) -> _Case:
    content: dict[str, Json] = {
        "seed": c.entropy(signer).hex(),
        "context": context.value,
        "body": noted(decode(signed.body)),
    }
    return case(name, requirements, **content, expect=expect)


FAMILY = Family(
    name="signing",
    description="Objects of every kind, signed: pre-image, name and signature.",
    notes=(
        "seed is the private key of RFC 8032 section 5.1.5, and public its public key.",
        "Cases with a message: it is signed as it is, as RFC 8032 has it in section 7.1.",
        "Cases with a context: body, in the notation of README.md, is signed in it. preimage is the encoding of the"
        " array of context and body, and hash its SHA-256: the name of the object. A countersignature is over the"
        " close's body and has no name.",
    ),
    verification=(
        "Sign with what signs your own objects.",
        "The signature counts byte by byte: RFC 8032 signs without chance, so a library that mixes some in makes valid"
        " signatures and fails here.",
    ),
    schema={
        "seed": HEX,
        "message": HEX,
        "context": {"enum": [context.value for context in Context]},
        "body": ANY,
        "expect": record(
            optional=("preimage", "hash"),
            verdict={"const": "accept"},
            public=HEX,
            signature=HEX,
            preimage=HEX,
            hash=HEX,
        ),
    },
    optional=frozenset({"message", "context", "body"}),
    cases=_cases,
)
