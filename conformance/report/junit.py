"""JUnit: one test case per case. What was not shown is skipped, never passed; the suite's own faults are errors."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from conformance.judge.finding import Verdict
from conformance.printable import printable

from .document import Document

_ELEMENTS = {
    Verdict.FAIL: "failure",
    Verdict.HARNESS_ERROR: "error",
    Verdict.UNTESTABLE: "skipped",
    Verdict.INCONCLUSIVE: "skipped",
    Verdict.NOT_APPLICABLE: "skipped",
}


def junit(report: Document) -> str:
    """The report as JUnit XML."""
    root = Element("testsuites", {"name": report["suite"]["name"], **_sums(report["cases"])})
    for family, members in groupby(report["cases"], key=lambda each: each["id"].partition("/")[0]):
        cases = list(members)
        suite = SubElement(root, "testsuite", {"name": family, "timestamp": report["suite"]["began"], **_sums(cases)})
        for case in cases:
            _add(suite, family, case)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add(suite: Element, family: str, case: Document) -> None:
    slug = case["id"].partition("/")[2]
    element = SubElement(suite, "testcase", classname=family, name=slug, time=f"{case['seconds']:.3f}")
    said = "\n".join(_lines(case))
    kind = _kind(case)
    if kind:
        first = case["findings"][0]["message"] if case["findings"] else "no finding"
        known = "known " if case["known"] else ""
        result = SubElement(element, kind, message=printable(f"{known}{case['verdict']}: {first}"))
        result.text = said
    elif case["findings"]:
        SubElement(element, "system-out").text = said


def _kind(case: Document) -> str:
    """The element of a case that did not pass; empty for one that did. A failure that is known is none for a CI."""
    kind = _ELEMENTS.get(Verdict(case["verdict"]), "")
    return "skipped" if kind == "failure" and case["known"] else kind


def _lines(case: Document) -> Iterable[str]:
    for finding in case["findings"]:
        cited = f" [{', '.join(finding['requirements'])}]" if finding["requirements"] else ""
        yield printable(f"{finding['verdict']}: {finding['message']}", lines=True) + cited
        if finding["lift"]:
            yield f"to lift it: {printable(finding['lift'])}"
    yield f"transcript: {case['transcript']['file']}"
    yield f"again: {printable(case['reproducer'])}"


def _sums(cases: list[Document]) -> dict[str, str]:
    kinds = [_kind(each) for each in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": f"{sum(each['seconds'] for each in cases):.3f}",
    }
