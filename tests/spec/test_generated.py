"""Everything that is generated is as the generators would write it, and the requirements hang together."""

from __future__ import annotations

from spec.tools.update import update


def test_nothing_is_stale() -> None:
    report = update(check=True)
    assert not report.failed, "\n".join(report.lines)
