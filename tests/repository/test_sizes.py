"""Modules stay small enough to be read in one go."""

from __future__ import annotations

import itertools

from tests.runner import ROOT

LIBRARIES = ("bootstrap", "conformance", "mycellm_proto", "reference_node")
OTHERS = ("fuzz", "spec", "tests")
# Lines: past the first a library module wants a reason, past the second every module has to be divided.
REASON, LIMIT = 300, 500
# Module -> why it is longer than REASON.
REASONS: dict[str, str] = {
    "conformance/script/faults.py": "the one list of everything that the suite does wrong on purpose",
    "conformance/cases/calls.py": "every way in which a call can be wrong, each with its page",
    "conformance/cases/opens.py": "a table of what an open can be wrong in, each with its page",
    "conformance/cases/payment.py": "a table of what a payment can be wrong in, each with its page",
    "conformance/mutants/opens.py": "a table of peers, each with its page",
    "conformance/cases/discovery.py": "every way in which a record can be wrong or told, each with its page",
    "conformance/cases/membership/joining.py": "every way in which JOIN can be asked, each with its page",
    "conformance/cases/settlement/reserving.py": "every way in which RESERVE can be asked, each with its page",
    "conformance/mutants/networks.py": "a table of peers, each with its page",
    "conformance/mutants/settlement.py": "a table of peers, each with its page",
    "conformance/honest/adapter.py": "one method for each operation of an adapter",
    "conformance/honest/connection.py": "one connection to its end, of which mutants override the methods",
    "conformance/honest/consumer.py": "one exchange from REQUEST to COUNTERSIGN, of which mutants override the methods",
    "conformance/honest/provider.py": "one exchange from REQUEST to COUNTERSIGN, of which mutants override the methods",
    "conformance/wire/quic.py": "the one home of aioquic: both directions, and what its logs tell",
    "mycellm_proto/connection.py": "the face of one connection; its parts are control, streams, consumer, provider",
    "reference_node/quic/link.py": "one life cycle, from the first datagram to the last",
}


def lengths(*packages: str) -> dict[str, int]:
    """Return the number of lines of every module in some packages."""
    files = itertools.chain.from_iterable((ROOT / package).rglob("*.py") for package in packages)
    return {str(file.relative_to(ROOT)): file.read_bytes().count(b"\n") for file in files}


def test_no_module_is_too_long() -> None:
    assert not {module: length for module, length in lengths(*LIBRARIES, *OTHERS).items() if length > LIMIT}


def test_long_modules_have_a_reason_and_reasons_a_long_module() -> None:
    assert {module for module, length in lengths(*LIBRARIES).items() if length > REASON} == REASONS.keys()
