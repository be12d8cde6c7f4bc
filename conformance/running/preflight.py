"""A look at the target before a run: whether anybody answers, who it is, and what it offers."""

from __future__ import annotations

from dataclasses import dataclass

from conformance import bech32m
from conformance.case import Case
from conformance.cases.registry import cases
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.offer import Quote
from conformance.printable import printable
from conformance.script.initiator import Initiator, UnreadableError
from conformance.script.session import Environment, Session
from conformance.signing import Key
from conformance.wire.link import GoneError, OverdueError
from conformance.wire.transcript import Event, Transcript

from .execute import header

_MISSED = 4
"""Cases in a row without a connection, after which the target is asked whether it is still there."""


_GREETING = "handshake/accept-pinned"
"""The case that begins as the look at the target does."""


class NobodyError(Exception):
    """Nothing can be judged there. The message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the target shows of itself."""

    key: bytes
    suite: bytes
    capabilities: tuple[int, ...]
    quotes: tuple[Quote, ...]

    def describe(self) -> str:
        """For people."""
        models = ", ".join(f"{each.model!a} ({each.price_in}/{each.price_out})" for each in self.quotes)
        return (
            f"target {bech32m.write(self.key)}, capabilities {list(self.capabilities)}, models: {models or 'none'}\n"
            f"suite  {bech32m.write(self.suite)}"
        )


async def preflight(environment: Environment, *, seed: bytes, key: Key | None) -> About:
    """Greet the target once. Raises `NobodyError`."""
    session = Session(environment, seed=seed, case="preflight", key=key)
    side: Initiator | None = None
    async with session.closing():
        try:
            side = await Initiator.dial(session)
            await side.greet()
            await side.models()
        except (GoneError, OverdueError, UnreadableError) as error:
            if side is None or not side.provider:
                events = tuple(session.recorder.events)
                transcript = Transcript(header=header(cases()[_GREETING], environment, seed), events=events)
                raise NobodyError(_nobody(error) + _wrong(transcript)) from None
        except OSError as error:
            raise NobodyError(f"It cannot be reached ({error.strerror}). Is that the node's HOST:PORT?") from None
    if environment.target not in (None, side.provider):
        raise NobodyError(f"The node there proves the id {bech32m.write(side.provider)}, and not that of --node-id.")
    return About(
        key=side.provider,
        suite=session.key.public,
        capabilities=tuple(side.capabilities),
        quotes=tuple(side.quotes),
    )


class Watch:
    """Notices in the middle of a run that the target is gone: then the cases that are left wait for nothing."""

    def __init__(self, environment: Environment, *, seed: bytes, key: Key | None) -> None:
        self._environment = environment
        self._seed = seed
        self._key = key
        self._missed = 0
        self._gone = ""

    def absent(self, case: Case) -> Transcript | None:
        """What stands for a run of ``case`` where the target is gone."""
        if not self._gone:
            return None
        facts = {"reason": f"the target is gone: {self._gone}", "lift": "start it again, and look why it ended"}
        event = Event(at=0, link=-1, by="suite", what="untestable", facts=facts)
        return Transcript(header=header(case, self._environment, self._seed), events=(event,))

    async def saw(self, transcript: Transcript) -> None:
        """Look at what a case brought: after some in a row without a connection, knock once more."""
        if any(event.what == "open" for event in transcript.events):
            self._missed = 0
            return
        self._missed += 1
        if self._missed % _MISSED == 0 and not self._gone:
            try:
                await preflight(self._environment, seed=self._seed, key=self._key)
            except NobodyError as error:
                self._gone = str(error)


def _wrong(transcript: Transcript) -> str:
    """The first thing that the target broke, or how it ended the connection."""
    found = [each for each in judge(cases()[_GREETING], transcript).findings if each.verdict is Verdict.FAIL]
    if not found:
        return ""
    cited = f" [{', '.join(found[0].requirements)}]" if len(found[0].requirements) == 1 else ""
    return f"\n    {printable(found[0].message, lines=True)}{cited}"


def _nobody(error: Exception) -> str:
    if isinstance(error, OverdueError):
        return f"No answer came ({error}). Is the node running, and is that its UDP port?"
    if isinstance(error, GoneError):
        return "The connection ended before a HELLO. Is that the node's UDP port, and its ALPN mycellm/1?"
    return f"What answers there is no node of this protocol: {error}."
