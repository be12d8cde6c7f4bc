"""The audit: everything derived from the events once more and compared with what the tables say, trusting none of it.

All of it is read in one transaction that sees one moment, beside nodes that go on booking. It shares no rule with what
books: each open's events are taken as a sentence, whose grammar and sums are checked here.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from .facts import POCKETS, AccountKind, Kind, Pocket, State
from .rows import POCKET_COLUMNS
from .rows import opened as opened_in
from .schema import accounts, conflicts, events, grants, settlements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, RowMapping, Table

MAX_FINDINGS = 100
"""Findings that are kept in words; all are counted."""
_PAGE = 1000
"""Opens or grants in memory at once."""

_LETTERS = dict(zip(Kind, "GRCVOFEL", strict=True))
_SENTENCE = re.compile("RC*(?:V?O?FE?|O?L)?")
"""A reservation, claims, and perhaps an end: by a receipt, or because the time was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What does not hold, of which account, open or grant (its name in the ledger, in hexadecimal digits)."""

    check: str
    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.check}: {self.problem}"


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was found. Micro-credits and counts; all of the first group are zero in a ledger that is right.

    ``conservation_error`` is what members have in all beyond what was granted, or less, summed over networks.
    ``orphans`` are accounts with a reservation or a pending amount for which no open stands. ``overdue`` opens are
    none of these: they wait for the next sweep, or for a settlement node to run at all.
    """

    conservation_error: int = 0
    overdrafts: int = 0
    orphans: int = 0
    wrong: int = 0
    findings: list[Finding] = field(default_factory=list)

    networks: int = 0
    accounts: int = 0
    grants: int = 0
    settlements: int = 0
    events: int = 0
    conflicts: int = 0
    overdue: int = 0
    granted: int = 0
    reserved: int = 0
    pending: int = 0

    @property
    def sound(self) -> bool:
        """Whether everything holds."""
        return not (self.conservation_error or self.overdrafts or self.orphans or self.wrong)

    def found(self, check: str, name: bytes, problem: str) -> None:
        """Note what does not hold."""
        self.wrong += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(check=check, name=name.hex(), problem=problem))


class _Auditor:
    """One audit, in one transaction. ``derived`` and ``held`` are pockets by the name of an account."""

    def __init__(self, connection: Connection, due: float) -> None:
        self.result = Audit()
        self._connection = connection
        self._due = due
        self._derived: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        self._held: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        self._granted: Counter[bytes] = Counter()
        self._networks: dict[bytes, bytes] = {}

    def run(self) -> Audit:
        """Grants, opens, events that belong to neither, accounts, in that order."""
        self._networks = {row["id"]: row["network"] for row in self._rows(accounts)}
        for page, by_subject in self._pages(grants):
            for row in page:
                self._grant(row, by_subject.get(row["id"], []))
        for page, by_subject in self._pages(settlements):
            for row in page:
                self._settlement(row, by_subject.get(row["id"], []))
        self._strays()
        self._accounts()
        self.result.conflicts = self._count(conflicts)
        return self.result

    def _grant(self, row: RowMapping, found: list[RowMapping]) -> None:
        self.result.grants += 1
        self.result.granted += row["amount"]
        self._granted[row["network"]] += row["amount"]
        if [(each["kind"], each["number"], each["amount"]) for each in found] != [(Kind.GRANT, 0, row["amount"])]:
            self.result.found("grant", row["id"], "its event is missing or says something else")

    def _settlement(self, row: RowMapping, found: list[RowMapping]) -> None:
        self.result.settlements += 1
        for problem in _problems(row, found):
            self.result.found("settlement", row["id"], problem)
        if row["state"] == State.RESERVED:
            self._held[row["consumer_account"]][Pocket.RESERVED] += row["ceiling"] - row["claimed"]
            self._held[row["provider_account"]][Pocket.PENDING] += row["claimed"]
            self.result.overdue += row["expires"] <= self._due

    def _strays(self) -> None:
        stray = self._count(events) - self.result.events
        if stray:
            self.result.found("events", b"", f"{stray} belong to no open and to no grant")

    def _accounts(self) -> None:
        members: Counter[bytes] = Counter()
        for row in self._rows(accounts):
            self.result.accounts += 1
            derived = self._derived.pop(row["id"], Counter())
            for pocket in POCKET_COLUMNS:
                if row[pocket] != derived[pocket]:
                    problem = f"{pocket} is {row[pocket]}, the events make it {derived[pocket]}"
                    self.result.found("account", row["id"], problem)
            if row["kind"] == AccountKind.ISSUE:
                continue
            members[row["network"]] += sum(row[pocket] for pocket in POCKET_COLUMNS)
            self.result.reserved += row["reserved"]
            self.result.pending += row["pending"]
            self.result.overdrafts += any(row[pocket] < 0 or derived[pocket] < 0 for pocket in POCKET_COLUMNS)
            held = self._held[row["id"]]
            self.result.orphans += any(row[pocket] != held[pocket] for pocket in (Pocket.RESERVED, Pocket.PENDING))
        for name in self._derived:
            self.result.found("account", name, "events name it, and there is no such account")
        self.result.networks = len(set(self._networks.values()))
        self.result.conservation_error = sum(
            abs(members[network] - self._granted[network]) for network in members.keys() | self._granted.keys()
        )

    def _derive(self, row: RowMapping) -> None:
        self.result.events += 1
        try:
            out, into = POCKETS[Kind(row["kind"])]
        except ValueError:
            self.result.found("events", row["subject"], f"there is no kind {row['kind'][:20]!r}")
            return
        self._derived[row["source"]][out] -= row["amount"]
        self._derived[row["target"]][into] += row["amount"]
        if self._networks.get(row["source"]) != self._networks.get(row["target"]):
            self.result.found("events", row["subject"], "an amount went from one network into another")

    def _pages(self, table: Table) -> Iterator[tuple[list[RowMapping], dict[bytes, list[RowMapping]]]]:
        """The rows of ``table`` in the order of their names, with the events of each."""
        last = b""
        while True:
            wanted = select(table).where(table.c.id > last).order_by(table.c.id).limit(_PAGE)
            page = list(self._connection.execute(wanted).mappings())
            if not page:
                return
            last = page[-1]["id"]
            names = {row["id"] for row in page}
            by_subject: dict[bytes, list[RowMapping]] = {}
            of_page = (
                select(events)
                .where(events.c.subject.between(page[0]["id"], last))
                .order_by(events.c.subject, events.c.number)
            )
            found = self._connection.execute(of_page).mappings()
            for subject, group in groupby(found, key=lambda row: row["subject"]):
                if subject in names:
                    by_subject[subject] = list(group)
                    for row in by_subject[subject]:
                        self._derive(row)
            yield page, by_subject

    def _rows(self, table: Table) -> Iterator[RowMapping]:
        yield from self._connection.execute(select(table)).mappings().all()

    def _count(self, table: Table) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table)).scalar_one())


def _problems(row: RowMapping, found: list[RowMapping]) -> Iterator[str]:
    """What does not hold of an open and its events."""
    if opened_in(row).key != row["id"]:
        yield "its name is not that of its identity"
    consumer, provider = row["consumer_account"], row["provider_account"]
    if [each["number"] for each in found] != list(range(row["events"])):
        yield f"{row['events']} events are expected, and {len(found)} are there"
    sentence = "".join(_LETTERS.get(each["kind"], "?") for each in found)
    if not _SENTENCE.fullmatch(sentence):
        yield f"its events are out of order: {sentence}"
        return
    for each in found:
        source = provider if each["kind"] in (Kind.REVERSAL, Kind.CONFIRM) else consumer
        target = provider if each["kind"] in (Kind.CLAIM, Kind.CONFIRM, Kind.FINALISE) else consumer
        if (each["source"], each["target"]) != (source, target):
            yield f"its {each['kind']} is between others"
    amounts: Counter[Any] = Counter()
    for each in found:
        amounts[each["kind"]] += each["amount"]
    derived = _derived(sentence, amounts)
    said = tuple(row[column] for column in ("state", "ceiling", "claimed", "total"))
    if derived != said:
        yield f"it is said to be {said}, the events make it {derived}"


def _derived(sentence: str, amounts: Counter[Any]) -> tuple[str, int, int, int | None]:
    """State, ceiling, claimed and total, as the events say; a state of its own where their sums do not agree."""
    ceiling, claimed = amounts[Kind.RESERVE], amounts[Kind.CLAIM]
    confirmed, paid = amounts[Kind.CONFIRM], amounts[Kind.CONFIRM] + amounts[Kind.FINALISE]
    if "F" in sentence:
        released, reversed_ = ceiling - paid, claimed - confirmed
        agree = (amounts[Kind.RELEASE], amounts[Kind.REVERSAL]) == (released, reversed_) and released >= 0
        return State.FINAL.value if agree and confirmed == min(claimed, paid) else "wrong", ceiling, claimed, paid
    if "L" in sentence:
        agree = confirmed == claimed and amounts[Kind.LAPSE] == ceiling - claimed
        return State.LAPSED.value if agree else "wrong", ceiling, claimed, paid
    return State.RESERVED.value if claimed <= ceiling else "wrong", ceiling, claimed, None


def audit(engine: Engine, due: float) -> Audit:
    """Audit the ledger. Opens whose expiry was before ``due`` are overdue. Raises `SQLAlchemyError`."""
    with engine.connect() as connection:
        return _Auditor(connection, due).run()
