"""A transcript: everything that happened in one run of one case, in order, as newline-delimited JSON.

It is all that the judge sees, so that a verdict can be reproduced anywhere and at any time without a node.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

FORMAT = 1
"""Version of the format, in the header's key ``mycellm-transcript``."""

By: TypeAlias = Literal["suite", "target"]
What: TypeAlias = Literal[
    "open", "data", "reset", "stop", "close", "gone", "flood", "transport",
    "fault", "wait", "untestable", "not-applicable", "harness", "adapter",
    "done",
]  # fmt: skip


class TranscriptError(ValueError):
    """A text that is no transcript. The message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that ``by`` did.

    open: the connection has its channel binding (``facts``: role of the suite, binding in hex).
    data: bytes of ``stream``, and its end with ``fin``. reset, stop: RESET_STREAM, STOP_SENDING with ``code``.
    close: CONNECTION_CLOSE with ``code`` (``facts``: layer, reason). gone: the connection ended without one.
    transport: what QUIC and TLS showed of the target (``facts``).
    flood: the target sent more than the suite keeps of one case (``facts``: bytes, events); what followed is left out.
    fault: the suite breaks the rule that ``facts`` names from here on.
    wait: the suite waits for something (``facts``: for, at most; and over, where it never came).
    untestable: something that the case needs is not there (``facts``: reason, lift: how to have it).
    not-applicable: the target declares not to have what the case is about (``facts``: reason).
    harness: the suite itself failed (``facts``: error).
    done: the script came to its end.
    adapter: one line to the adapter or from it (``facts``: verb, and options, result, refused or unsupported).
    """

    at: float
    """Seconds since the case began."""
    link: int
    """Number of the connection in the case, from 0; -1 where there is none."""
    by: By
    what: What
    stream: int = -1
    data: bytes = b""
    fin: bool = False
    code: int = -1
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A header and the events."""

    header: Mapping[str, Any]
    """case, role, suite, spec, seed (hex), began (seconds since 1970), target (node id in hex, or null)."""
    events: tuple[Event, ...]


def dump(transcript: Transcript) -> str:
    """The lines of a transcript."""
    lines = [{"mycellm-transcript": FORMAT, **transcript.header}, *map(_plain, transcript.events)]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def load(text: str) -> Transcript:
    """Read what `dump` wrote. Raises `TranscriptError`."""
    lines = [_object(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or lines[0][1].get("mycellm-transcript") != FORMAT:
        raise TranscriptError(f"line 1 is not the header of a transcript of format {FORMAT}")
    header = {key: value for key, value in lines[0][1].items() if key != "mycellm-transcript"}
    return Transcript(header=header, events=tuple(_events(lines[1:])))


def _plain(event: Event) -> dict[str, Any]:
    plain: dict[str, Any] = {"at": round(event.at, 6), "link": event.link, "by": event.by, "what": event.what}
    if event.stream >= 0:
        plain["stream"] = event.stream
    if event.what == "data":
        plain["hex"] = event.data.hex()
        plain["fin"] = event.fin
    if event.code >= 0:
        plain["code"] = event.code
    if event.facts:
        plain["facts"] = dict(event.facts)
    return plain


def _object(number: int, line: str) -> tuple[int, dict[str, Any]]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TranscriptError(f"line {number} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise TranscriptError(f"line {number} is no JSON object")
    return number, value


def _events(lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterable[Event]:
    for number, line in lines:
        try:
            yield Event(
                at=float(line["at"]),
                link=int(line["link"]),
                by=line["by"],
                what=line["what"],
                stream=int(line.get("stream", -1)),
                data=bytes.fromhex(line.get("hex", "")),
                fin=bool(line.get("fin", False)),
                code=int(line.get("code", -1)),
                facts=dict(line.get("facts", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TranscriptError(f"line {number} is no event: {error!r}") from None
