"""Splits an answer into text and calls as it comes. However the text is cut, the parts together are the same.

That holds because `CallFormat.read` is asked again as long as it wants more, and what it says of a text it also says of
every longer one (tests/engine/calls/test_parser.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mycellm_proto.answer import Part
from mycellm_proto.limits import MAX_CALLS
from reference_node.engine.calls.format import CallFormat, Found
from reference_node.engine.calls.guided import GuidedCall

Pieces = list[tuple[Part, str]]

CLOSERS = frozenset("}]>`;")
"""Without one of these, nothing that is held of a longer call can have come to its end."""

SHORT = 1024
"""Characters up to which a call is read again with every piece of it."""


class CallParser:
    """Reads one answer. Text that may become a call is held back; whitespace beside calls is dropped."""

    def __init__(self, form: CallFormat, names: Collection[str], *, most: int = MAX_CALLS) -> None:
        self._format, self._names, self._most = form, frozenset(names), most
        self._held = ""
        self._said = False  # something went out, so no call begins the answer any more
        self._after_call = False
        self._wants_more = False
        self._guided: GuidedCall | None = None
        self._before = ""  # what stands before the part of a guided call that it reads
        self.calls = 0

    @property
    def full(self) -> bool:
        """Whether there are as many calls as may be: nothing more is wanted."""
        return self._guided is None and self.calls >= self._most

    @property
    def opened(self) -> str | None:
        """What stands behind the opener of a call that has begun; None outside of one, and where it is not certain."""
        held = self._held.lstrip()
        return next((held[len(opener) :] for opener in self._format.openers if held.startswith(opener)), None)

    def guide(self) -> None:
        """Says that a grammar holds the call that has begun to its form: it goes out while it comes."""
        behind = self.opened
        behind = self._held if behind is None else behind
        self._before = self._held[: len(self._held) - len(behind)]
        self._held, self._guided = "", GuidedCall(self._format.tail, behind)

    def push(self, text: str) -> Pieces:
        """What is certain after ``text``."""
        if self._guided is not None:
            return self._push_guided(self._guided, text)
        self._held += text
        if self._wants_more and len(self._held) > SHORT and CLOSERS.isdisjoint(text):
            return []
        return list(self._take(whole=False))

    def flush(self) -> Pieces:
        """The rest, when nothing more comes."""
        if self._guided is not None:
            text = "" if self._guided.begun else self._before + self._guided.held
            return [(Part.ANSWER, text)] if text else []
        return list(self._take(whole=True))

    def _push_guided(self, guided: GuidedCall, text: str) -> Pieces:
        begun = guided.begun
        pieces = guided.push(text)
        if guided.begun and not begun:
            self.calls += 1
            self._said = True
        if guided.over:
            self._held, self._guided, self._after_call = guided.held, None, True
            pieces += self._take(whole=False)
        return pieces

    def _take(self, *, whole: bool) -> Iterator[tuple[Part, str]]:
        self._wants_more = False
        while self._held and not self.full:
            start = self._opening(whole=whole)
            text = self._held[:start]
            if whole and start == len(self._held):
                yield from self._say(text)
                return
            if text.strip():
                yield from self._say(text.rstrip())
                continue
            found = self._read(self._held[start:], whole=whole)
            if found is None:
                self._wants_more = True
                return
            if not found.calls:
                yield from self._say(self._held[: start + max(found.length, 1)])
                continue
            self._held = self._held[start + found.length :]
            self._said = self._after_call = True
            for call in found.calls[: self._most - self.calls]:
                self.calls += 1
                yield Part.CALL, call.name
                yield Part.ARGUMENTS, call.arguments
        if self.full:
            self._held = ""

    def _say(self, text: str) -> Pieces:
        """Lets the first characters of what is held go out."""
        self._held = self._held[len(text) :]
        if self._after_call:
            text = text.lstrip()
        if text:
            self._after_call = False
            self._said = self._said or not text.isspace()
        return [(Part.ANSWER, text)] if text else []

    def _read(self, text: str, *, whole: bool) -> Found | None:
        """Reads what begins with an opener, or with what may become one."""
        openers = (*self._format.openers, *(() if self._said else self._format.first_openers))
        if not any(text.startswith(opener) for opener in openers):
            return Found(length=len(text)) if whole else None
        return self._format.read(text, self._names, whole=whole)

    def _opening(self, *, whole: bool) -> int:
        """Where a call may begin in what is held; its length if nowhere."""
        held, found = self._held, len(self._held)
        for opener in self._format.openers:
            found = min(found, _position(held, opener, whole=whole))
        if not self._said:
            first = len(held) - len(held.lstrip())
            begins = held[first:]
            if begins and any(
                begins.startswith(opener) or (not whole and opener.startswith(begins))
                for opener in self._format.first_openers
            ):
                found = min(found, first)
        return found


def _position(text: str, opener: str, *, whole: bool) -> int:
    """Where ``opener`` stands in ``text``, or its beginning at the end of it; the text's length if nowhere."""
    found = text.find(opener)
    if found >= 0:
        return found
    if not whole:
        for length in range(min(len(opener) - 1, len(text)), 0, -1):
            if text.endswith(opener[:length]):
                return len(text) - length
    return len(text)
