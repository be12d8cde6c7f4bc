"""The audit, and ``ledger``: what they find in tables that somebody has tampered with, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mycellm_proto.nodeid import encode_node_id
from reference_node.cli import main
from reference_node.ledger import Ledger, Place
from reference_node.ledger.facts import Account

from .conftest import Opener
from .facts import LAB, NETWORK, OTHER, STUDENT, granted, opened, reserved

PASSWORD = "correct-horse"


class Program:
    """The command, on one database."""

    def __init__(self, place: Place, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.options = ["--ledger", place.url.render_as_string(hide_password=False), "--home", str(home)]
        self._capsys = capsys
        self.said = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        assert main(["ledger", *arguments, *self.options]) == code
        printed = self._capsys.readouterr()
        self.said = printed.err
        return printed.out

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        answer = json.loads(self(*arguments, "--json", code=code))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def program(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(place, tmp_path / "home", capsys)


@pytest.fixture
async def busy(opener: Opener, place: Place) -> Ledger:
    """A ledger with an open in every state."""
    ledger = await opener(place)
    await granted(ledger)
    await granted(ledger, network=OTHER)
    await ledger.claim(await reserved(ledger, 100, 1), 60)
    await ledger.finalise(await reserved(ledger, 100, 2), 30)
    made = await reserved(ledger, 100, 3)
    await ledger.claim(made, 60)
    await ledger.finalise(made, 50)
    return ledger


def tamper(ledger: Ledger, *statements: str) -> None:
    """As somebody who has the database."""
    with ledger._writer.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


async def test_a_sound_ledger(busy: Ledger, program: Program) -> None:
    audit = await busy.check()
    assert audit.sound
    assert (audit.networks, audit.accounts, audit.grants, audit.settlements) == (2, 5, 2, 3)
    assert (audit.reserved, audit.pending, audit.granted) == (40, 60, 2000)
    found = program.json("check")
    assert found["sound"] is True
    assert (found["conservation_error"], found["overdrafts"], found["orphans"], found["findings"]) == (0, 0, 0, [])
    assert "conservation_error    0" in program()


@pytest.mark.parametrize(("statements", "check"), [
    (["UPDATE accounts SET available = available + 1 WHERE kind = 1 AND reserved > 0"], "conservation_error"),
    (["UPDATE accounts SET available = available - 1 WHERE kind = 0"], "account"),
    (["UPDATE accounts SET reserved = reserved + 1, available = available - 1 WHERE reserved > 0"], "orphans"),
    (["UPDATE accounts SET pending = pending - 1, available = available + 1 WHERE pending > 0"], "orphans"),
    (["UPDATE grants SET amount = amount + 1"], "grant"),
    (["DELETE FROM grants"], "conservation_error"),
    (["DELETE FROM settlements WHERE state = 'reserved'"], "orphans"),
    (["UPDATE settlements SET claimed = claimed + 1 WHERE claimed > 0"], "settlement"),
    (["UPDATE settlements SET total = total + 1 WHERE state = 'final'"], "settlement"),
    (["UPDATE settlements SET state = 'lapsed' WHERE state = 'final'"], "settlement"),
    (["UPDATE settlements SET state = 'final', total = claimed WHERE state = 'reserved'"], "settlement"),
    (["UPDATE settlements SET sequence = sequence + 10"], "settlement"),
    (["UPDATE settlements SET ceiling = ceiling + 1"], "settlement"),
    (["UPDATE settlements SET events = events + 1"], "settlement"),
    (["UPDATE settlements SET consumer_account = provider_account"], "settlement"),
    (["DELETE FROM accounts WHERE pending > 0"], "account"),
    (["UPDATE accounts SET network = member WHERE kind = 0"], "events"),
])  # fmt: skip
async def test_tampering_shows(busy: Ledger, program: Program, statements: list[str], check: str) -> None:
    assert (await busy.check()).sound
    tamper(busy, *statements)
    found = program.json("check", code=1)
    assert found["sound"] is False
    assert found.get(check) or check in {each["check"] for each in found["findings"]}
    program("check", code=1)
    assert "FAIL" in program.said or found["wrong"] == 0


async def test_tampering_with_events_shows(busy: Ledger, place: Place) -> None:
    if place.kind != "sqlite":
        pytest.skip("events are kept from change by the same trigger everywhere; it is taken away on SQLite")
    tamper(busy, "DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete")
    for statement in (
        "UPDATE events SET amount = amount + 1 WHERE kind = 'claim'",
        "UPDATE events SET kind = 'release' WHERE kind = 'lapse' OR kind = 'finalise'",
        "UPDATE events SET kind = 'nonsense' WHERE kind = 'grant'",
        "UPDATE events SET source = target WHERE kind = 'claim'",
        "DELETE FROM events WHERE kind = 'claim'",
        "DELETE FROM events WHERE kind = 'grant'",
        "UPDATE events SET number = number + 7 WHERE kind = 'claim'",
        "UPDATE events SET subject = target WHERE kind = 'reversal'",
    ):
        with busy._writer.connect() as connection:
            change = connection.begin()
            connection.execute(sa.text(statement))
            from reference_node.ledger.audit import _Auditor

            assert not _Auditor(connection, 0).run().sound, statement
            change.rollback()
    assert (await busy.check()).sound


async def test_accounts_and_history_are_shown(busy: Ledger, program: Program) -> None:
    accounts = program.json("show")["accounts"]
    student = next(
        each for each in accounts if (each["member"], each["network"]) == (encode_node_id(STUDENT), NETWORK.hex())
    )
    assert (student["balance"], student["reserved"], student["available"]) == (860, 40, 820)
    assert sum(each["balance"] + each["pending"] for each in accounts) == 0
    assert len(program.json("show", "--network", OTHER.hex())["accounts"]) == 2
    assert "(authority)" in program("show")
    for member in (encode_node_id(LAB), LAB.hex()):
        events = program.json("history", member)["events"]
        assert {each["event"] for each in events} == {"claim", "reversal", "confirm", "finalise"}
        assert len(program.json("history", member, "--last", "2")["events"]) == 2
    assert "claim" in program("history", LAB.hex())
    assert program.json("history", opened().open_hash.hex())["events"] == []


async def test_a_home_without_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    for action in ("check", "show"):
        assert main(["ledger", action, *home]) == 0
        assert "no ledger yet" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [
    ["history"], ["history", "nobody"], ["history", "00" * 31], ["show", "x"], ["check", "--last", "1"],
    ["check", "--network", "00" * 32], ["show", "--network", "zz"], ["history", "00" * 32, "--last", "0"],
    ["check", "--ledger", "sqlite://"], ["check", "--ledger", "oracle://x"], ["check", "--ledger", "mariadb://x"],
])  # fmt: skip
def test_a_wrong_command_line_is_2(arguments: list[str], tmp_path: Path) -> None:
    assert main(["ledger", *arguments, "--home", str(tmp_path)]) == 2


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_no_password_is_ever_shown(scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{scheme}://user:{PASSWORD}@127.0.0.1:1/ledger"
    common = ["--home", str(tmp_path), "--ledger", url]
    assert main(["config", *common]) == 0
    assert main(["config", "--json", *common]) == 0
    assert main(["ledger", *common, "--ledger", url.replace(scheme, "nonsense")]) == 2
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err
    assert "user:***@127.0.0.1" in printed.out


def test_accounts_have_names_that_cannot_meet() -> None:
    assert len({Account.of(NETWORK, STUDENT).key, Account.of(STUDENT, NETWORK).key, Account.issue(NETWORK).key}) == 3
