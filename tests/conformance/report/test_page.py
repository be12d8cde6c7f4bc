"""The page: one file that asks for nothing, in which whatever the target said is text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from conformance.honest.model import Model
from conformance.honest.node import Node
from conformance.judge.finding import Finding, Verdict
from conformance.mutants.mutant import skipping
from conformance.mutants.registry import mutants
from conformance.report.cells import ELSEWHERE
from conformance.report.document import document
from conformance.report.page import SYMBOLS, page
from conformance.running.matrix import Kill, kills
from conformance.running.run import Run

from .runs import FACTS, FLIPPED, PINNED, run_of, run_with, with_event, with_findings

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[2J\ud800'
VOID = {"meta", "link", "input", "br", "rect", "img"}


class Page(HTMLParser):
    """The elements of a page, and whether they are nested as they have to be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {"script": "", "style": "", "mark": ""}
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} comes twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.texts:
            self.texts[self.open[-1]] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [value for _, each in self.elements if (value := each.get("id"))]


def made(run: Run, found: tuple[Kill, ...] = ()) -> str:
    transcripts = {case: each.transcript for case, each in run.judgements.items()}
    return page(document(run, FACTS), transcripts, found)


def failing() -> Run:
    return run_of(node=skipping("HSK-006"))


def own() -> str:
    """The page of the suite's own run: with a kill matrix, one peer of which survives."""
    found = [kill for each in list(mutants().values())[:2] for kill in kills(each)]
    survivor = Kill(
        mutant=mutants()["handshake/greets-second"], case=PINNED, verdict=Verdict.PASS, why="the case ends with pass"
    )
    return made(run_of(), (*found, survivor))


@pytest.fixture(scope="module", params=["failing", "conformant", "own"])
def html(request: pytest.FixtureRequest) -> str:
    return {"failing": lambda: made(failing()), "conformant": lambda: made(run_of()), "own": own}[request.param]()


def test_nothing_is_fetched(html: str) -> None:
    read = Page(html)
    assert not read.of("img") + read.of("iframe") + read.of("object") + read.of("embed") + read.of("base")
    assert all("src" not in attributes for attributes in read.of("script"))
    assert [each["href"] for each in read.of("link")] == ["data:,"]
    assert not re.search(r"url\(|@import", read.texts["style"])
    assert not re.search(r"fetch|XMLHttpRequest|import|innerHTML", read.texts["script"])
    links = [each["href"] or "" for each in read.of("a")]
    assert all(
        re.match(r"#|transcripts/[a-z0-9.-]+\.ndjson$|(report\.json|junit\.xml|badge\.svg)$", each) for each in links
    )


def test_only_its_own_script_may_run(html: str) -> None:
    read = Page(html)
    (policy,) = [each["content"] or "" for each in read.of("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(read.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [name for _, each in read.elements for name in each if name.startswith("on") or name == "style"]


def test_every_link_within_leads_somewhere(html: str) -> None:
    read = Page(html)
    ids = read.ids()
    assert len(ids) == len(set(ids))
    fragments = {(each["href"] or "")[1:] for each in read.of("a") if (each["href"] or "").startswith("#")}
    assert fragments <= set(ids)
    labelled = {each["aria-labelledby"] for _, each in read.elements if "aria-labelledby" in each}
    assert labelled <= set(ids)


def hostile() -> Iterator[tuple[str, Run]]:
    """Runs in which the target says something that is meant for the page."""
    yield "model", run_of(node=skipping(model=Model(name='"><script>alert(1)</script>\u202e')))
    run = failing()
    judged = run.judgements[FLIPPED]
    message = Finding(verdict=Verdict.FAIL, message=EVIL, requirements=("HSK-006~1",), lift=EVIL)
    yield "finding", run_with({FLIPPED: with_findings(judged, Verdict.FAIL, message)})
    last = len(judged.transcript.events) - 1
    for name, changed in {
        "close": {"what": "close", "by": "target", "facts": {"layer": "application", "reason": EVIL}},
        "gone": {"what": "gone", "by": "target", "facts": {"reason": EVIL}},
        "transport": {"what": "transport", "by": "target", "facts": {EVIL: EVIL}},
        "harness": {"what": "harness", "facts": {"error": EVIL}},
    }.items():
        yield name, run_with({FLIPPED: with_event(judged, last, **changed)})
    yield "bytes", run_with({FLIPPED: with_event(judged, 2, data=EVIL.encode("utf-8", "surrogatepass"))})


@pytest.mark.parametrize(("name", "run"), list(hostile()), ids=lambda each: each if isinstance(each, str) else "")
def test_what_the_target_says_is_text(name: str, run: Run) -> None:
    text = made(run)
    text.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    read = Page(text)
    assert len(read.of("script")) == 1
    assert not read.of("img")
    assert "alert" not in read.texts["script"]
    if name != "bytes":
        assert "&lt;script&gt;alert(1)" in text or "&#34;&gt;&lt;script" in text


def test_the_offending_byte_is_marked_where_it_is() -> None:
    run = run_of((PINNED,), connection=mutants()["handshake/binds-hello-to-nothing"].connection)
    (finding,) = run.judgements[PINNED].findings
    hello = run.judgements[PINNED].transcript.events[finding.event].data
    assert hello[finding.offset : finding.offset + 32] == bytes(32)
    read = Page(made(run))
    assert [each["data-offset"] for each in read.of("mark")] == [str(finding.offset)]
    assert read.texts["mark"] == f"{hello[finding.offset]:02x}"


def test_the_sentence_stands_beside_the_failure() -> None:
    html = made(failing())
    found = re.search(
        r'<article class="case fail" id="case-handshake-reject-bad-signature".*?</article>', html, re.DOTALL
    )
    assert found is not None
    assert "if the signature of a HELLO is not valid under its <code>node_key</code>" in found[0]
    assert 'on purpose</span><span class="sum"><bdi>HELLO_SIGNATURE_FLIPPED' in found[0]
    assert "--filter handshake/reject-bad-signature" in found[0]


def test_every_verdict_has_a_symbol() -> None:
    assert SYMBOLS.keys() == {*map(str, Verdict), "not-run", ELSEWHERE}
    assert len(set(SYMBOLS.values())) == len(SYMBOLS), "colour alone tells nobody who does not see it"


def test_every_verdict_can_be_shown() -> None:
    judged = failing().judgements[FLIPPED]
    for verdict in Verdict:
        finding = Finding(verdict=verdict, message=f"it is {verdict}", lift="lift it")
        html = made(run_with({FLIPPED: with_findings(judged, verdict, finding)}))
        assert f"it is {verdict}" in html


def test_a_peer_that_survives_is_shown_to() -> None:
    assert "<strong>2 of 3</strong> are caught" in own()
    assert "the case ends with pass" in own()


def test_the_same_report_gives_the_same_page() -> None:
    run: Any = run_of(node=Node)
    assert made(run) == made(run)
