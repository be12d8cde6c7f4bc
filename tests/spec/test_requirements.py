"""Sentences and their lock: what is refused, and in which words."""

from __future__ import annotations

import json

import pytest

from spec.tools.requirements import (
    Lock,
    RequirementError,
    parse,
    read_lock,
    unknown,
    write_lock,
    write_sentences,
)

TEXT = """
Some prose, in which a reader MUST NOT be found.

- A list item that requires nothing.
- The reader MUST fail with ENCODING if the bytes
  end inside the item. [ENC-010~1 vector]
- The node SHOULD NOT do it. [TRN-001~3 none: nobody can see it]

```
- The reader MUST not be found in code
```
"""
NOTHING = Lock(current={}, retired=frozenset())


def locked(text: str) -> Lock:
    return read_lock(write_lock(parse(text), NOTHING))


def test_a_sentence_may_span_lines_and_code_holds_none() -> None:
    found = parse(TEXT)
    assert [requirement.line.rpartition(" ")[0] for requirement in found.values()] == [
        "ENC-010~1 MUST reader vector",
        "TRN-001~3 SHOULD-NOT node none",
    ]


def test_white_space_is_not_text() -> None:
    joined = TEXT.replace("bytes\n  end", "bytes end")
    assert parse(joined) == parse(TEXT)
    assert write_lock(parse(joined), locked(TEXT)) == write_lock(parse(TEXT), NOTHING)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("- The reader MUST do it.", "has no [id~revision observed]"),
        ("- The reader MUST do it and MUST NOT wait. [ENC-001~1 wire]", "one keyword"),
        ("- The server MUST do it. [ENC-001~1 wire]", "The ACTOR KEYWORD"),
        ("- The reader does it. [ENC-001~1 wire]", "The ACTOR KEYWORD"),
        ("- The reader MUST do it. [ENC-001~1 magic]", "is observed by one of"),
        ("- The reader MUST do it. [ENC-001~1 none]", "`none` alone has a reason"),
        ("- The reader MUST do it. [ENC-001~1 wire: why]", "`none` alone has a reason"),
        ("- The reader MUST do it. [ENC-001~1 wire]\n- The reader MAY do it. [ENC-001~2 wire]", "two sentences"),
    ],
)
def test_a_sentence_of_another_form_is_refused(item: str, says: str) -> None:
    with pytest.raises(RequirementError) as caught:
        parse(item)
    assert says in str(caught.value)


def test_sentences_stand_beside_the_lock_with_their_section() -> None:
    headed = TEXT.replace("- The node SHOULD", "## Transport\n\n### Requirements\n- The node SHOULD")
    assert json.loads(write_sentences(parse(headed))) == {
        "ENC-010~1": {
            "section": "",
            "sentence": "The reader MUST fail with ENCODING if the bytes end inside the item.",
        },
        "TRN-001~3": {
            "section": "Transport",
            "sentence": "The node SHOULD NOT do it.",
            "reason": "nobody can see it",
        },
    }


def test_a_changed_text_wants_a_new_revision() -> None:
    changed = TEXT.replace("do it", "do that")
    with pytest.raises(RequirementError, match=r"make it TRN-001~4 in SPEC\.md"):
        write_lock(parse(changed), locked(TEXT))
    assert "TRN-001~4 SHOULD-NOT" in write_lock(parse(changed.replace("~3", "~4")), locked(TEXT))


def test_a_revision_never_goes_back() -> None:
    with pytest.raises(RequirementError, match="went back from revision 3 to 2"):
        write_lock(parse(TEXT.replace("~3", "~2")), locked(TEXT))


def test_a_dropped_id_is_retired_by_hand_and_for_ever() -> None:
    fewer = TEXT.replace("[TRN-001~3 none: nobody can see it]", "").replace("SHOULD NOT", "should not")
    with pytest.raises(RequirementError, match="put `TRN-001 retired` in place of its line"):
        write_lock(parse(fewer), locked(TEXT))
    retired = Lock(current=locked(fewer).current, retired=frozenset({"TRN-001"}))
    assert read_lock(write_lock(parse(fewer), retired)) == retired
    with pytest.raises(RequirementError, match="TRN-001 is retired"):
        write_lock(parse(TEXT), retired)


def test_a_lock_with_another_line_is_refused() -> None:
    with pytest.raises(RequirementError, match="a line that is none"):
        read_lock("TRN-001 MUST")


def test_citations_know_their_revision() -> None:
    found = parse(TEXT)
    assert unknown(["ENC-010", "ENC-010~1", "TRN-001~3"], found) == []
    assert unknown(["ENC-010~2", "ENC-011"], found) == ["ENC-010~2", "ENC-011"]
