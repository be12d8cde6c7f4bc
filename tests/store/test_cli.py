"""``receipts``: what it lists, what it verifies, and that no byte in the file can change without being noticed."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from mycellm_proto.nodeid import encode_node_id
from mycellm_proto.receipt import decode_receipt, verify_receipt
from reference_node import log
from reference_node.cli import main
from reference_node.cli.receipt_views import COLUMNS
from reference_node.store import ReceiptState, ReceiptStore, SequenceUsedError
from reference_node.store.audit import audit
from reference_node.store.database import open_reader

from ..proto.pair import ALICE, BOB, quote
from .conftest import Clock
from .evidence import TOTAL, closed, name, opened, settled
from .test_migrations import execute

BLOBS = [
    "network", "consumer", "provider", "open_hash", "quote", "quote_signature", "open", "open_signature", "link",
    "close", "close_signature", "countersignature",
]  # fmt: skip
NUMBERS = ["sequence", "ceiling", "claim", "expires", "ticks"]


class Program:
    """The command, with the home of the test."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys
        self.said = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        assert main(["receipts", *arguments, "--home", str(self.home)]) == code
        printed = self._capsys.readouterr()
        self.said = printed.err
        return printed.out

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        answer = json.loads(self(*arguments, "--json", code=code))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def receipts(path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield Program(path.parent, capsys)
    root.handlers[:] = before  # a command sends all logs to its own stderr
    root.setLevel(level)
    for package in log.PACKAGES:
        logging.getLogger(package).setLevel(logging.NOTSET)


@pytest.fixture
async def filled(store: ReceiptStore, clock: Clock) -> ReceiptStore:
    """A settled receipt of the consumer's and an open one of the provider's, the store still open as in a node."""
    await store.record("consumer", settled(opened(1)), ReceiptState.SETTLED)
    clock.now += 1
    await store.record("provider", opened(2), ReceiptState.OPENED)
    return store


SETTLED_ID = name(opened(1)).hex()
OPENED_ID = name(opened(2)).hex()


@pytest.mark.parametrize("arguments", [[], ["list"], ["verify"]])
def test_an_empty_home_has_none(receipts: Program, arguments: list[str]) -> None:
    receipts(*arguments)
    assert receipts.json(*arguments)["failed"] == 0
    assert not receipts.home.exists()


@pytest.mark.usefixtures("filled")
def test_the_list_shows_and_verifies_all_while_the_node_runs(receipts: Program) -> None:
    lines = receipts().splitlines()
    assert lines[0].split() == [*COLUMNS]
    bob = encode_node_id(BOB.public)
    settled_line = [SETTLED_ID[:12], "2026-09-21T14:13:20Z", "consumer", f"{bob[:12]}…{bob[-4:]}", "tiny"]
    assert lines[1].split() == [*settled_line, "10", "20", str(TOTAL), "settled", "ok"]
    assert lines[2].split()[5:] == ["-", "-", "64", "opened", "ok"]
    assert len(lines) == 3
    assert receipts("--last", "1").splitlines()[1].startswith(OPENED_ID[:12])


@pytest.mark.usefixtures("filled")
def test_the_list_is_json_for_programs(receipts: Program) -> None:
    answer = receipts.json()
    assert (len(answer["receipts"]), answer["frauds"], answer["failed"]) == (2, [], 0)
    assert answer["receipts"][0] == {
        "id": SETTLED_ID,
        "time": "2026-09-21T14:13:20Z",
        "role": "consumer",
        "peer": encode_node_id(BOB.public),
        "model": "tiny",
        "input_tokens": 10,
        "output_tokens": 20,
        "micro_credits": TOTAL,
        "state": "settled",
        "settlement": None,
        "verified": True,
        "findings": [],
    }
    assert answer["receipts"][1]["peer"] == encode_node_id(ALICE.public)


@pytest.mark.usefixtures("filled")
def test_all_or_one_are_verified(receipts: Program) -> None:
    assert receipts("verify") == "2 receipts, 0 failed\n"
    assert receipts("verify", SETTLED_ID[:6]) == "1 receipts, 0 failed\n"
    assert receipts.json("verify") == {"receipts": 2, "failed": 0, "failures": []}
    receipts("verify", "0" * 64, code=1)
    assert "No receipt here" in receipts.said


@pytest.mark.usefixtures("filled")
def test_everything_that_a_receipt_says_is_shown(receipts: Program) -> None:
    text = receipts("show", SETTLED_ID)
    assert "network           direct\n" in text
    assert f"micro_credits     {TOTAL}\n" in text
    (shown,) = receipts.json("show", SETTLED_ID)["receipts"]
    assert (shown["sequence"], shown["finish"], shown["assurance"]) == (1, "stop", "self-asserted")
    assert verify_receipt(decode_receipt(bytes.fromhex(shown["receipt"]))) == []
    (unsettled,) = receipts.json("show", OPENED_ID)["receipts"]
    assert unsettled["receipt"] is None


@pytest.mark.usefixtures("filled")
def test_a_portable_receipt_is_verified_by_who_has_nothing_else(receipts: Program, tmp_path: Path) -> None:
    digits = receipts("show", SETTLED_ID, "--hex")
    assert verify_receipt(decode_receipt(bytes.fromhex(digits))) == []
    assert receipts.json("show", SETTLED_ID, "--hex") == {"id": SETTLED_ID, "receipt": digits.strip()}
    raw, lines = tmp_path / "one.cbor", tmp_path / "all.txt"
    receipts("show", SETTLED_ID, "--cbor", str(raw))
    assert raw.read_bytes() == bytes.fromhex(digits)
    assert receipts.json("export", str(lines)) == {"file": str(lines), "receipts": 1, "unsettled": 1, "failed": 0}
    assert lines.read_text() == digits
    assert stat.S_IMODE(lines.stat().st_mode) == stat.S_IMODE(raw.stat().st_mode) == 0o600
    receipts.home = tmp_path / "elsewhere"
    for file in (raw, lines):
        assert receipts("verify", "--file", str(file)) == "1 receipts, 0 failed\n"


@pytest.mark.usefixtures("filled")
def test_a_lie_in_a_file_is_found_and_named(receipts: Program, tmp_path: Path) -> None:
    good = bytes.fromhex(receipts("show", SETTLED_ID, "--hex"))
    bad = good[:-1] + bytes([good[-1] ^ 1])
    file = tmp_path / "receipts.txt"
    file.write_text(f"{good.hex()}\n\n{bad.hex()}\nnot hexadecimal\n{'00' * 5000}\n")
    answer = receipts.json("verify", "--file", str(file), code=1)
    assert answer["failures"][0]["id"] == "line 3"
    assert answer["failures"][0]["findings"] == ["countersignature: signature is not valid [RCP-029]"]
    assert [failure["id"] for failure in answer["failures"]][1] == "line 4"
    assert "FAIL line 3 countersignature" in receipts.said
    raw = tmp_path / "receipt.cbor"
    raw.write_bytes(good + b"\x00")
    receipts("verify", "--file", str(raw), code=1)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_file_without_receipts_is_not_verified(receipts: Program, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty"
    file.write_bytes(content)
    receipts("verify", "--file", str(file), code=1)
    assert "holds no receipt" in receipts.said
    receipts("verify", "--file", str(tmp_path / "missing"), code=1)
    assert "No such file" in receipts.said


@pytest.mark.usefixtures("filled")
def test_no_file_is_overwritten(receipts: Program, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("precious")
    for arguments in (["export", str(file)], ["show", SETTLED_ID, "--cbor", str(file)]):
        receipts(*arguments, code=1)
        assert "exists already" in receipts.said
    assert file.read_text() == "precious"


@pytest.mark.usefixtures("filled")
def test_what_was_not_agreed_on_has_no_portable_form(receipts: Program) -> None:
    receipts("show", OPENED_ID, "--hex", code=1)
    assert "not countersigned" in receipts.said


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "abc"], ["show"], ["export"], ["show", "xyz"], ["verify", "%"], ["list", "--hex"],
        ["list", "--last", "0"], ["verify", "--cbor", "f"], ["verify", "abc", "--file", "f"],
        ["show", "abc", "--hex", "--cbor", "f"],
        ["verify", "--last", "1"],
    ],
)  # fmt: skip
def test_what_an_action_does_not_take_is_a_usage_error(receipts: Program, arguments: list[str]) -> None:
    receipts(*arguments, code=2)


async def test_an_id_must_name_one_open(store: ReceiptStore, receipts: Program) -> None:
    for n in range(1, 18):  # two of them begin with the same digit
        await store.record("consumer", opened(n), ReceiptState.OPENED)
    ids = [receipt["id"] for receipt in receipts.json()["receipts"]]
    shared = next(digit for digit in "0123456789abcdef" if sum(each.startswith(digit) for each in ids) > 1)
    receipts("show", shared, code=2)
    assert "Write more" in receipts.said


async def test_proofs_of_fraud_are_shown_and_checked(store: ReceiptStore, receipts: Program, path: Path) -> None:
    await store.record("provider", opened(1), ReceiptState.OPENED)
    with pytest.raises(SequenceUsedError):
        await store.record("provider", opened(1, request="another"), ReceiptState.OPENED)
    receipts()
    assert f"Proof of fraud: {encode_node_id(ALICE.public)} signed two opens under number 1" in receipts.said
    (fraud,) = receipts.json()["frauds"]
    assert fraud["verified"]
    assert fraud["first"] == [opened(1).open.body.hex(), opened(1).open.signature.hex()]
    execute(path, "UPDATE frauds SET second = first, second_signature = first_signature")
    receipts(code=1)
    receipts("verify", code=1)
    execute(path, "UPDATE frauds SET second = 'text'")
    receipts("verify", code=1)
    assert "second is not bytes" in receipts.said


# Tampering


def flipped(value: bytes, position: int) -> bytes:
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


def the_row(path: Path) -> RowMapping:
    engine = open_reader(path)
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT * FROM receipts ORDER BY id LIMIT 1").mappings().one()
    engine.dispose()
    return row


@pytest.mark.usefixtures("filled")
def test_every_byte_of_every_blob_is_covered(path: Path) -> None:
    row = dict(the_row(path))
    assert not audit(row).findings  # type: ignore[arg-type]
    assert set(BLOBS) == {column for column, value in row.items() if isinstance(value, bytes)}
    for column in BLOBS:
        for position in range(len(row[column])):
            changed = row | {column: flipped(row[column], position)}
            assert audit(changed).findings, (column, position)  # type: ignore[arg-type]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("column", BLOBS)
def test_a_changed_blob_fails_verification(receipts: Program, path: Path, column: str) -> None:
    changed = flipped(the_row(path)[column], 3).hex()
    execute(path, f"UPDATE receipts SET {column} = x'{changed}' WHERE id = 1")
    assert receipts.json("verify", code=1)["failed"] == 1
    assert "FAIL" in receipts.said
    assert "FAIL" in receipts(code=1)


@pytest.mark.usefixtures("filled")
def test_whatever_stands_in_a_column_is_a_finding(path: Path) -> None:
    row = dict(the_row(path))
    for column in [*BLOBS, *NUMBERS, "state", "role"]:
        for value in (b"", "text", b"\xff", 1e300, -1, 1 << 62, None):
            assert audit(row | {column: value}).findings, (column, value)  # type: ignore[arg-type]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("change", "code"),
    [("quote = 'text'", 1), ("state = x'ff'", 1), ("open_hash = 7", 1), ("created = 'now'", 1), ("created = 1e300", 0)],
)
def test_a_damaged_row_stops_no_command(receipts: Program, path: Path, change: str, code: int) -> None:
    execute(path, f"UPDATE receipts SET {change} WHERE id = 1")
    for action in ([], ["verify"], ["verify", OPENED_ID]):
        receipts(*action, code=0 if OPENED_ID in action else code)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("column", ["close", "close_signature", "countersignature"])
def test_a_part_that_was_taken_away_is_missed(receipts: Program, path: Path, column: str) -> None:
    execute(path, f"UPDATE receipts SET {column} = NULL WHERE id = 1")
    receipts("verify", code=1)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("state", ["opened", "refused", "owed", "unacknowledged", "disputed"])
def test_a_settled_receipt_has_no_other_state(receipts: Program, path: Path, state: str) -> None:
    execute(path, f"UPDATE receipts SET state = '{state}' WHERE id = 1")
    receipts("verify", code=1)


@pytest.mark.usefixtures("filled")
def test_what_does_not_verify_is_not_exported(receipts: Program, path: Path, tmp_path: Path) -> None:
    execute(path, f"UPDATE receipts SET link = x'{'00' * 32}' WHERE id = 1")
    answer = receipts.json("export", str(tmp_path / "file"), code=1)
    assert (answer["receipts"], answer["failed"]) == (0, 1)


async def test_a_receipt_of_an_unknown_network_fails(store: ReceiptStore, receipts: Program) -> None:
    foreign = opened(offer=quote(network=bytes(32)))
    await store.record("consumer", closed(foreign), ReceiptState.DISPUTED)
    receipts("verify", code=1)
    assert "is not a known network [NET-001]" in receipts.said


async def test_names_of_models_command_no_terminal(store: ReceiptStore, receipts: Program) -> None:
    evil = opened(offer=quote(model="\x1b[2Jevil"))
    await store.record("consumer", replace(evil), ReceiptState.OPENED)
    assert "\x1b" not in receipts()
    assert "\x1b" not in receipts("show", name(evil).hex())


async def test_balance_says_who_owes_whom(filled: ReceiptStore, receipts: Program) -> None:
    found = receipts.json("balance")
    bob, alice = encode_node_id(BOB.public), encode_node_id(ALICE.public)
    assert [(each["peer"], each["served_you"], each["can_spend_here"]) for each in found["peers"]] == [
        (bob, TOTAL, TOTAL)
    ]
    assert found["pool"]["allowance"] == 100_000_000
    assert found["unverified"] == 0
    await filled.record("provider", settled(opened(2)), ReceiptState.SETTLED)
    served = receipts.json("balance")["peers"][1]
    assert (served["peer"], served["you_served"], served["can_spend_here"]) == (alice, TOTAL, 0)
    assert bob in receipts("balance")
    assert "are left" in receipts.said


async def test_balance_counts_nothing_that_does_not_verify(filled: ReceiptStore, receipts: Program, path: Path) -> None:
    await filled.aclose()
    execute(path, "UPDATE receipts SET claim = claim + 1 WHERE role = 'consumer'")
    found = receipts.json("balance", code=1)
    assert (found["peers"], found["unverified"]) == ([], 1)
    assert "do not verify" in receipts.said
