"""Runs the families: every case is derived from its inputs, and has to come out as the vectors say."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.data import family as cases_of

from . import bytes_, exchange, keys, payment, settlement
from .outcome import Case, MismatchError, Outcome

FAMILIES: Mapping[str, Callable[[Case], Outcome]] = {
    "exporter": keys.exporter,
    "encoding": bytes_.encoding,
    "accumulated": bytes_.accumulated,
    "framing": bytes_.framing,
    "frames": bytes_.frames,
    "signatures": keys.signatures,
    "nodeid": keys.nodeid,
    "hello": keys.hello,
    "content": payment.content,
    "quote": payment.quote,
    "open": payment.open_,
    "commitments": payment.commitments,
    "ticks": payment.ticks,
    "close": settlement.close,
    "countersign": settlement.countersign,
    "receipts": settlement.receipts,
    "fraud": settlement.fraud,
    "exchange": exchange.exchange,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case and why it failed, if it did."""

    family: str
    case: str
    requirements: tuple[str, ...]
    failure: str | None


def run(only: str | None = None) -> list[Result]:
    """Check every case of one family, or of all."""
    names = FAMILIES if only is None else (only,)
    return [_result(name, case) for name in names for case in cases_of(name)]


def _result(name: str, case: Case) -> Result:
    return Result(family=name, case=case["id"], requirements=tuple(case["requirements"]), failure=_failure(name, case))


def _failure(name: str, case: Case) -> str | None:
    try:
        outcome = FAMILIES[name](case)
    except MismatchError as error:
        return str(error)
    except Exception:  # noqa: BLE001  a broken case must not keep the others from being judged
        return f"the suite itself failed:\n{traceback.format_exc()}"
    return None if outcome == case["expect"] else f"derived {outcome}, and the case says {case['expect']}"
