"""``/metrics``: what this API has done since it started, as Prometheus reads it. No content, no keys, no addresses.

The text format is a few lines for counters and gauges, so there is no library here. Labels have few values: routes are
patterns, models are those of the catalog.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .. import log
    from .admission import Exchanges
    from .result import Result
    from .view import NodeView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 1000
"""Of one metric: models of peers come and go, and nothing here is forgotten."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""A method is the asker's own word; others count as one."""

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counts of one API."""

    def __init__(self) -> None:
        self._http: Counter[Labels] = Counter()
        self._http_seconds: Counter[Labels] = Counter()
        self._answers: Counter[Labels] = Counter()
        self._answer_seconds: Counter[Labels] = Counter()
        self._first_seconds: Counter[Labels] = Counter()
        self._firsts: Counter[Labels] = Counter()
        self._tokens: Counter[Labels] = Counter()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request is over."""
        labels = (("route", route), ("method", method if method in METHODS else "other"), ("status", str(status)))
        _add(self._http, labels, 1)
        _add(self._http_seconds, labels[:2], seconds)

    def first(self, labels: Mapping[str, log.Field], seconds: float) -> None:
        """The first token of an answer is there."""
        _add(self._first_seconds, _model(labels), seconds)
        _add(self._firsts, _model(labels), 1)

    def finished(self, labels: Mapping[str, log.Field], results: Sequence[Result], seconds: float) -> None:
        """An answer is whole."""
        model = _model(labels)
        _add(self._answers, model, 1)
        _add(self._answer_seconds, model, seconds)
        for kind, count in (
            ("input", sum(result.end.input_tokens for result in results)),
            ("cached", sum(result.end.cached_tokens or 0 for result in results)),
            ("output", sum(result.end.output_tokens for result in results)),
        ):
            _add(self._tokens, (*model, ("kind", kind)), count)

    def text(self, node: NodeView, exchanges: Exchanges) -> str:
        """All figures."""
        ready: Counter[Labels] = Counter({(): int(node.ready())})
        running: Counter[Labels] = Counter({(): exchanges.running})
        models: Counter[Labels] = Counter({(): len(node.catalog.models())})
        return "".join(
            _metric(*each)
            for each in (
                ("mycellm_ready", "gauge", "Whether the default model answers.", ready),
                ("mycellm_models", "gauge", "Models that can be asked now.", models),
                ("mycellm_requests_running", "gauge", "Requests for models in progress.", running),
                ("mycellm_http_requests_total", "counter", "HTTP requests.", self._http),
                ("mycellm_http_request_seconds_total", "counter", "Seconds of HTTP requests.", self._http_seconds),
                ("mycellm_answers_total", "counter", "Whole answers of models.", self._answers),
                ("mycellm_answer_seconds_total", "counter", "Seconds of whole answers.", self._answer_seconds),
                ("mycellm_first_tokens_total", "counter", "Answers that began.", self._firsts),
                ("mycellm_first_token_seconds_total", "counter", "Seconds to first tokens.", self._first_seconds),
                ("mycellm_tokens_total", "counter", "Tokens of whole answers: read, reused, made.", self._tokens),
            )
        )


def _model(labels: Mapping[str, log.Field]) -> Labels:
    return (("model", str(labels["model"])),)


def _add(counter: Counter[Labels], labels: Labels, amount: float) -> None:
    if labels in counter or len(counter) < MAX_SERIES:
        counter[labels] += amount  # type: ignore[assignment]  # typeshed knows counts as integers only


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _metric(name: str, kind: str, text: str, values: Counter[Labels]) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n" + "".join(_lines(name, values.items()))


def _lines(name: str, values: Iterable[tuple[Labels, float]]) -> Iterable[str]:
    for labels, value in sorted(values):
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{name}{{{inner}}} {value:.10g}\n" if inner else f"{name} {value:.10g}\n"
