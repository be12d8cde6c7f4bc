"""Bytes with their meaning beside them: the complete exchange that opens SPEC.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeAlias

from mycellm_proto.codec import Value, decode, encode, head
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.frames import FrameType
from mycellm_proto.framing import FrameReader, RawFrame, encode_varint
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed, preimage

from .cddl import field_names
from .registries import load

_WIDTH = 16
"""Bytes of a string in a line, behind its head."""
_COLUMN = 54
"""Where comments begin."""
_READER_LIMITS: dict[int, int] = dict.fromkeys(FrameType, 1 << 20)

# What the value of a key is: a rule of a map, a rule of the body of a signed object, or a registry of names.
_NESTED = {
    ("request", 0): "chat-request",
    ("request", 2): "open-body",
    ("chat-request", 2): "message",
    ("models", 0): "quote-body",
    ("end", 1): "close-body",
}
_CONTEXTS = {
    "hello-responder": Context.HELLO,
    "hello-initiator": Context.HELLO,
    "quote-body": Context.QUOTE,
    "open-body": Context.OPEN,
    "close-body": Context.CLOSE,
}
_LISTS = frozenset({("chat-request", 2), ("models", 0)})
_NAMED = {
    ("hello-responder", 0): "connection-roles",
    ("hello-initiator", 0): "connection-roles",
    ("chat-request", 0): "operations",
    ("message", 0): "roles",
    ("close-body", 7): "finish-reasons",
    ("close-body", 8): "assurance",
}

Heads: TypeAlias = "tuple[bytes, ...]"
Item: TypeAlias = Any
"""A decoded value, of the shape that its rule says."""


@dataclass
class Annotator:
    """Writes the frames of one connection. ``known`` says what byte strings are: keys, names of objects, links."""

    known: dict[bytes, str]
    lines: list[str] = field(default_factory=list)
    signer: str = ""

    def frame(self, raw: RawFrame, signer: str, hello: str) -> list[str]:
        """The lines of one frame that ``signer`` wrote; ``hello`` is the rule of a HELLO of that side."""
        self.lines, self.signer = [], signer
        kind = FrameType(raw.type)
        self._line((encode_varint(len(raw.body)),), 0, f"length: {len(raw.body)}")
        self._line((encode_varint(raw.type),), 0, f"type: {kind.name}")
        value = decode(raw.body)
        if kind is FrameType.HELLO:
            self._signed((), value, 0, "a signed object", hello)
        else:
            self._map((), value, 0, kind.name.lower())
        return self.lines

    def _map(self, before: Heads, value: Item, depth: int, rule: str) -> None:
        """A map of ``rule``, behind what came ``before`` it on the line."""
        self._line((*before, _head(value)), depth, f"{rule}: a map of {len(value)}")
        for key, content in value.items():
            self._entry(rule, key, content, depth + 1)

    def _entry(self, rule: str, key: int, value: Value, depth: int) -> None:
        name, before = field_names(rule)[key], (encode(key),)
        nested = _NESTED.get((rule, key))
        if nested is None:
            self._plain(before, value, depth, f"{name}: {self._meaning(value, (rule, key))}")
        elif isinstance(value, bytes):
            self._line((*before, _string_head(value)), depth, f"{name}: {len(value)} bytes, an item of its own")
            self._map((), decode(value), depth + 1, nested)
        elif (rule, key) in _LISTS and isinstance(value, list):
            self._line((*before, _head(value)), depth, f"{name}: an array of {len(value)}")
            for element in value:
                if nested in _CONTEXTS:
                    self._signed((), element, depth + 1, "a signed object", nested)
                else:
                    self._map((), element, depth + 1, nested)
        else:
            self._signed(before, value, depth, f"{name}: a signed object", nested)

    def _signed(self, before: Heads, value: Item, depth: int, label: str, rule: str) -> None:
        signed = Signed.from_value(value)
        context = _CONTEXTS[rule]
        self._line((*before, b"\x82"), depth, label)
        self._line((_string_head(signed.body),), depth + 1, f"body: {len(signed.body)} bytes, signed as they are")
        self._map((), decode(signed.body), depth + 2, rule)
        self._plain(
            (),
            signed.signature,
            depth + 1,
            f"signature: Ed25519 by {self.signer}",
            f"over {_shown(context)} || body",
            "whose SHA-256, the name of the object, is",
            f"{signed.digest(context).hex()[:24]}…",
        )

    def _plain(self, before: Heads, value: Value, depth: int, *comments: str) -> None:
        """A value that is shown as a whole: strings in lines of their own width."""
        encoded = encode(value)
        if isinstance(value, bytes | str):
            head = _string_head(value)
            self._line((*before, head), depth, *comments, content=encoded[len(head) :])
        else:
            self._line((*before, encoded), depth, *comments)

    def _meaning(self, value: Value, place: tuple[str, int]) -> str:
        if isinstance(value, bytes):
            return self.known.get(value, f"{len(value)} bytes")
        if isinstance(value, bool) or value is None:
            return {True: "true", False: "false", None: "null"}[value]
        if isinstance(value, str):
            return f'"{value}"'
        if isinstance(value, int) and place in _NAMED:
            names = {entry["value"]: entry["name"] for entry in load(_NAMED[place])["entry"]}
            return f"{value}, {names[value]}"
        if isinstance(value, list):
            return "[" + ", ".join(self._meaning(each, place) for each in value) + "]"
        return f"{value:,}"

    def _line(self, heads: Heads, depth: int, *comments: str, content: bytes = b"") -> None:
        """Heads, then the content of a string; lines after the first stand under where the content begins."""
        front = "  " * depth + " ".join(head.hex() for head in heads)
        pieces = [content[i : i + _WIDTH].hex() for i in range(0, len(content), _WIDTH)] or [""]
        for number, (piece, comment) in enumerate(zip_longest(pieces, comments, fillvalue="")):
            text = f"{front if number == 0 else ' ' * len(front)} {piece}".rstrip()
            self.lines.append(f"{text:<{_COLUMN}}{'# ' + comment if comment else ''}".rstrip())


def _shown(context: Context) -> str:
    """The beginning of a pre-image, with its text in the clear."""
    head = preimage(context, b"").hex()
    return f'{head[:2]} {head[2:4]} "{context.value}"'


def _string_head(value: bytes | str) -> bytes:
    size = len(value.encode() if isinstance(value, str) else value)
    return head(3 if isinstance(value, str) else 2, size)


def _head(value: Item) -> bytes:
    """The head of an array or a map."""
    return head(4 if isinstance(value, list) else 5, len(value))


def annotated(case: Mapping[str, Any]) -> str:
    """The complete exchange of a case of the family ``exchange``, one block a write."""
    writer = Annotator(known=dict(_fixed(case)))
    names = {"initiator": "Alice", "responder": "Bob"}
    blocks = [
        f"The channel binding is `{case['binding']}`.",
        "",
        f"The private keys are `{case['secrets']['initiator_seed']}` (Alice)",
        f"and `{case['secrets']['responder_seed']}` (Bob).",
        "The same bytes are in `spec/vectors/v1/exchange.json`, under the id `complete`.",
        "",
    ]
    for step in case["steps"]:
        signer = names[step["from"]]
        other = names["responder" if step["from"] == "initiator" else "initiator"]
        rule = f"hello-{step['from']}"
        for raw in FrameReader(_READER_LIMITS, 0).feed(bytes.fromhex(step["hex"])):
            _learn(writer.known, raw, signer)
            end = ", then the end of its side" if step["fin"] else ""
            title = (
                f"**{signer} to {other}, stream {step['stream']}: {FrameType(raw.type).name}**, {raw.size} bytes{end}"
            )
            blocks += [title, "", "```", *writer.frame(raw, signer, rule), "```", ""]
    return "\n".join(blocks).rstrip()


def _fixed(case: Mapping[str, Any]) -> Iterator[tuple[bytes, str]]:
    secrets = {name: bytes.fromhex(value) for name, value in case["secrets"].items()}
    yield SigningKey(secrets["initiator_seed"]).public, "Alice"
    yield SigningKey(secrets["responder_seed"]).public, "Bob"
    yield bytes.fromhex(case["binding"]), "the channel binding"
    yield secrets["request_salt"], "32 fresh random bytes"
    yield secrets["answer_salt"], "32 fresh random bytes"
    yield DIRECT_NETWORK, "the direct network"


def _learn(known: dict[bytes, str], raw: RawFrame, signer: str) -> None:
    """Names that later frames use: of the objects in this frame, and of the links that it releases."""
    value: Any = decode(raw.body)
    if raw.type == FrameType.HELLO:
        known[Signed.from_value(value).digest(Context.HELLO)] = f"the name of {signer}'s HELLO"
    elif raw.type == FrameType.MODELS:
        for quote in value[0]:
            signed = Signed.from_value(quote)
            body: Any = decode(signed.body)
            known[signed.digest(Context.QUOTE)] = "the name of the quote"
            known[body[3]] = "SHA-256 of the model's manifest"
    elif raw.type == FrameType.REQUEST:
        signed = Signed.from_value(value[2])
        body = decode(signed.body)
        known[signed.digest(Context.OPEN)] = "the name of the open"
        known[body[6]] = "commitment to the content"
        known[body[8]] = "w_0"
        known.setdefault(value[3], "w_1" if _links(value[3], body[8]) else "w_0")
    elif raw.type == FrameType.TICK:
        known[value[1]] = f"w_{value[0]}"
    elif raw.type == FrameType.END:
        body = decode(Signed.from_value(value[1]).body)
        known[body[2]] = "commitment to the answer"
    elif raw.type == FrameType.COUNTERSIGN:
        known[value[0]] = (
            f"Ed25519 by {signer}, over {preimage(Context.COUNTERSIGN, b'').hex()[:4]}… || the close's body"
        )


def _links(link: bytes, anchor: bytes) -> bool:
    return hashlib.sha256(preimage(Context.TICK, encode(link))).digest() == anchor
