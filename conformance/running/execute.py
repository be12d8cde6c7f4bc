"""Runs one case and gives its transcript. Nothing here judges."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.case import Case
from conformance.script.session import Environment, RefusedError, Session, UntestableError
from conformance.script.side import UnreadableError
from conformance.signing import Key
from conformance.wire.adapter import AdapterError
from conformance.wire.link import GoneError, OverdueError
from conformance.wire.transcript import Event, Transcript, What

SPEC = "1.0-draft"
_LEEWAY = 60.0
"""Seconds beyond a case's own waits after which its script is ended: each step may be late, but not all of them."""
_FASTER = "let the target do nothing else meanwhile, or offer a model that answers faster"


async def execute(
    case: Case, environment: Environment, *, seed: bytes, key: Key | None = None, items: Sequence[int] = ()
) -> Transcript:
    """Run ``case`` once. Whatever happens in its script ends up in the transcript.

    Of a generated case only ``items`` are run, or all of them where none are named.
    """
    drawn = [*items] or [*range(case.items)]
    session = Session(environment, seed=seed, case=case.id, key=key, fault=case.fault, items=drawn)
    head = {**header(case, environment, seed), **({"items": drawn} if case.items else {})}
    try:
        session.require(case.needs)
        async with session.closing(), asyncio.timeout(case.seconds + _LEEWAY):
            await case.script(session)
            _note(session, "done")
    except (GoneError, OverdueError, RefusedError, UnreadableError, UntestableError):
        pass  # the script cannot go on; the transcript says why
    except AdapterError as error:
        _note(session, "harness", error=str(error))
    except TimeoutError:
        session.untestable(f"the case was not over after {case.seconds + _LEEWAY:.0f} seconds", _FASTER)
    except Exception:  # noqa: BLE001  a fault of the suite is reported with the case, and ends no run
        _note(session, "harness", error=traceback.format_exc())
    return Transcript(header=head, events=tuple(session.recorder.events))


def header(case: Case, environment: Environment, seed: bytes) -> Mapping[str, Any]:
    """The header of a transcript that begins now."""
    return {
        "case": case.id,
        "role": case.role,
        "spec": SPEC,
        "seed": seed.hex(),
        "began": round(environment.clock(), 3),
        "target": None if environment.target is None else environment.target.hex(),
    }


def _note(session: Session, what: What, **facts: str) -> None:
    recorder = session.recorder
    recorder.add(Event(at=recorder.now(), link=-1, by="suite", what=what, facts=facts))
