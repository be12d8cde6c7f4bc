"""A whole run over a driver: is it honest about what it does not know, and right about what it says it knows?"""

from __future__ import annotations

import secrets
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from .cases import Vector, vectors_of
from .driver import Driver, UnsupportedError
from .implementation import FAMILIES
from .judge import NoAnswerError, Result, Verdict, compared

MOST_DEATHS_OF_A_FAMILY = 3
"""Cases in a row without an answer after which the rest of their family is not asked: each may cost a time-out."""
MOST_DEATHS = 9
"""The same for all families together."""

HONESTY = "honesty"
"""Stands as a family for what is asked beside the vectors."""


def drive(driver: Driver, vectors: Sequence[Vector]) -> Iterator[Result]:
    """Put the honesty checks and ``vectors`` to a driver that has declared itself."""
    declared = driver.declaration().families
    yield from _probed(driver, [family for family in FAMILIES if family not in declared])
    deaths: Counter[str] = Counter()
    for vector in vectors:
        if vector.family not in declared:
            yield Result.of(vector, Verdict.NOT_APPLICABLE, "the driver does not declare the family")
        elif deaths[vector.family] >= MOST_DEATHS_OF_A_FAMILY or deaths.total() >= MOST_DEATHS:
            yield Result.of(vector, Verdict.UNTESTABLE, "not asked: the cases before got no answer")
        else:
            yield _asked(driver, vector, deaths)


def _asked(driver: Driver, vector: Vector, deaths: Counter[str]) -> Result:
    try:
        result = compared(vector, driver.derive(vector.family, vector.inputs))
    except UnsupportedError:
        return Result.of(vector, Verdict.FAIL, "the driver declares the family, and says that it does not support it")
    except (NoAnswerError, OSError) as error:
        deaths[vector.family] += 1
        return Result.of(vector, Verdict.FAIL, str(error))
    except Exception:  # noqa: BLE001  a fault of the suite must not keep the other cases from being judged
        return Result.of(vector, Verdict.HARNESS_ERROR, f"the suite itself failed:\n{traceback.format_exc()}")
    deaths.clear()
    return result


def _probed(driver: Driver, undeclared: Sequence[str]) -> Iterator[Result]:
    """What nobody knows, and what this driver says that it does not know, has to be refused as unsupported."""
    chance = secrets.token_hex(4)
    yield _probe("unknown-verb", lambda: driver.ask(f"verb-{chance}"))
    result = _probe("unknown-family", lambda: driver.derive(f"family-{chance}", {}))
    yield result
    if result.verdict is Verdict.PASS:  # else it is known already, and each time may cost a time-out
        yield from (_undeclared(driver, family) for family in undeclared)


def _undeclared(driver: Driver, family: str) -> Result:
    return _probe(f"undeclared-{family}", lambda: driver.derive(family, vectors_of(family)[0].inputs))


def _probe(slug: str, ask: Callable[[], object]) -> Result:
    try:
        ask()
    except UnsupportedError:
        return _honesty(slug, Verdict.PASS)
    except (NoAnswerError, OSError) as error:
        return _honesty(slug, Verdict.FAIL, str(error))
    return _honesty(slug, Verdict.FAIL, "it has to be answered with unsupported, and was answered")


def _honesty(slug: str, verdict: Verdict, note: str | None = None) -> Result:
    return Result(family=HONESTY, case=slug, requirements=(), verdict=verdict, note=note)
