"""The book of records: what it believes, what it keeps, and what it gives away."""

from __future__ import annotations

import random

import pytest

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.invite import Address
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_RECORDS
from mycellm_proto.records import Record
from mycellm_proto.signed import Context, Signed
from reference_node.discovery import book as module
from reference_node.discovery.book import MAX_FAILURES, MAX_PREFIX, MAX_TOLD, Book, Lead
from reference_node.discovery.informer import Informer

NOW = 1_790_000_000.0
RED, BLUE = b"\x01" * 32, b"\x02" * 32
OWN = SigningKey(b"\x07" * 32)
CHANCE = random.Random(7)
PLACE: Address = (bytes((8, 8, 4, 4)), 4242)


def key(number: int) -> SigningKey:
    return SigningKey(number.to_bytes(32, "big"))


def record(
    signer: SigningKey,
    *,
    network: bytes = RED,
    sequence: int = 1,
    addresses: tuple[Address, ...] = (PLACE,),
    life: int = 3600,
) -> Signed:
    body = Record(
        node=signer.public,
        sequence=sequence,
        network=network,
        addresses=addresses,
        issued=int(NOW),
        expires=int(NOW) + life,
    )
    return body.sign(signer)


def someone(number: int = 900, host: bytes = bytes((9, 9, 9, 9)), beside: Address | None = None) -> Informer:
    return Informer(node=key(number).public, host=host, beside=beside)


def heard(book: Book, signed: Signed, informer: Informer | None = None, network: bytes = RED) -> Lead:
    lead = book.hear(network, signed, informer or someone(), NOW)
    assert lead is not None
    return lead


def given(book: Book, network: bytes = RED, now: float = NOW) -> list[Signed]:
    return book.give(network, 64, to=OWN.public, now=now, chance=CHANCE)


def test_what_a_node_says_of_itself_is_given_on_and_hearsay_is_not() -> None:
    book = Book(OWN.public)
    told, own_word = record(key(1)), record(key(2))
    lead = heard(book, told)
    heard(book, own_word, someone(2))
    assert given(book) == [own_word]
    book.found_at(lead)
    assert sorted(given(book), key=lambda each: each.body) == sorted((told, own_word), key=lambda each: each.body)


def test_nobody_is_told_about_itself_nor_more_than_it_asked_for() -> None:
    book = Book(OWN.public)
    for number in range(1, 9):
        heard(book, record(key(number)), someone(number))
    assert len(book.give(RED, 3, to=OWN.public, now=NOW, chance=CHANCE)) == 3
    assert len(book.give(RED, 64, to=key(1).public, now=NOW, chance=CHANCE)) == 7


def test_a_foreign_signature_and_another_nodes_name_are_refused_and_change_nothing() -> None:
    book = Book(OWN.public)
    honest = heard(book, record(key(1)))
    forged = Record(
        node=key(1).public, sequence=99, network=RED, addresses=(PLACE,), issued=int(NOW), expires=int(NOW) + 9
    ).sign(key(2))
    flipped = Signed(body=forged.body, signature=bytes(64))
    for bad in (forged, flipped, Signed.make(key(1), Context.RECORD, b"\xa0")):
        with pytest.raises(RemoteProtocolError) as refused:
            book.hear(RED, bad, someone(), NOW)
        assert refused.value.code is ErrorCode.MALFORMED
    assert book.of(RED) == [honest]


def test_an_old_sequence_does_not_count_and_two_of_one_are_refused() -> None:
    book = Book(OWN.public)
    newer = heard(book, record(key(1), sequence=5))
    assert book.hear(RED, record(key(1), sequence=4), someone(), NOW) is None
    with pytest.raises(RemoteProtocolError):
        book.hear(RED, record(key(1), sequence=5, life=60), someone(), NOW)
    assert book.of(RED) == [newer]


def test_a_record_passes_from_no_network_to_another() -> None:
    book = Book(OWN.public)
    assert book.hear(BLUE, record(key(1), network=RED), someone(), NOW) is None
    heard(book, record(key(1), network=RED), someone(1))
    assert book.of(BLUE) == []
    assert given(book, BLUE) == []
    assert given(book, DIRECT_NETWORK) == []


def test_this_node_believes_nobody_about_itself() -> None:
    book = Book(OWN.public)
    assert book.hear(RED, record(OWN), someone(), NOW) is None
    assert len(book) == 0


def test_absurd_addresses_are_dialed_by_nobody() -> None:
    book = Book(OWN.public)
    absurd = tuple((bytes(host), 4242) for host in ((127, 0, 0, 1), (10, 0, 0, 1), (224, 0, 0, 1), (0, 0, 0, 0)))
    assert heard(book, record(key(1), addresses=absurd)).addresses == ()
    assert heard(book, record(key(2), addresses=((PLACE[0], 53), PLACE))).addresses == (PLACE,)


def test_whom_the_owner_sent_this_node_to_may_name_its_neighbours_alone() -> None:
    book = Book(OWN.public)
    places: tuple[Address, ...] = tuple(
        (bytes(host), 4242) for host in ((10, 2, 3, 4), (192, 168, 0, 1), (127, 0, 0, 1))
    )
    lead = heard(book, record(key(1), addresses=places))
    assert lead.addresses == ()
    heard(book, record(key(1), addresses=places), someone(beside=(bytes((10, 9, 9, 9)), 7420)))
    assert lead.addresses == places[:1]
    heard(book, record(key(1), addresses=places), someone())  # somebody else says so too: it stays
    assert lead.addresses == places[:1]


def test_a_record_without_addresses_ends_what_was_known() -> None:
    book = Book(OWN.public)
    heard(book, record(key(1), sequence=1), someone(1))
    farewell = record(key(1), sequence=2, addresses=())
    heard(book, farewell, someone(1))
    assert given(book) == [farewell]  # whoever has not heard yet, hears of it
    assert book.hear(RED, record(key(1), sequence=1), someone(), NOW) is None  # somebody has not heard yet
    assert [lead.gone for lead in book.of(RED)] == [True]


def test_what_expired_is_neither_given_nor_kept() -> None:
    book = Book(OWN.public)
    heard(book, record(key(1), life=60), someone(1))
    assert given(book, now=NOW + 60) == []
    book.age(NOW + 60)
    assert len(book) == 0


def test_who_was_not_found_is_not_given_out_until_it_is_heard_of_anew() -> None:
    book = Book(OWN.public)
    signed = record(key(1))
    lead = heard(book, signed, someone(1))
    for _ in range(MAX_FAILURES):
        assert given(book) == [signed]
        book.not_found(lead, again_at=NOW + 60)
    assert given(book) == []
    heard(book, signed)  # hearsay does not revive it
    assert given(book) == []
    heard(book, signed, someone(1))  # its own word does
    assert given(book) == [signed]


def test_a_record_that_was_disproved_is_not_believed_again_in_that_form() -> None:
    book = Book(OWN.public)
    signed = record(key(1))
    book.disprove(heard(book, signed))
    heard(book, signed)
    assert [lead.gone for lead in book.of(RED)] == [True]
    assert not heard(book, record(key(1), sequence=2)).gone


def test_one_informer_fills_no_book() -> None:
    book = Book(OWN.public)
    for number in range(1, MAX_TOLD + 20):
        book.hear(RED, record(key(number)), someone(), NOW)
    assert len(book) == MAX_TOLD
    heard(book, record(key(500)), someone(901))


def test_keys_without_end_behind_one_address_fill_no_book_of_the_direct_network() -> None:
    book = Book(OWN.public)
    for number in range(1, MAX_PREFIX + 20):
        signed = record(key(number), network=DIRECT_NETWORK, addresses=((bytes((8, 8, 4, number % 256)), 4242),))
        book.hear(DIRECT_NETWORK, signed, someone(number, bytes((9, number, 9, 9))), NOW)
    assert len(book) == MAX_PREFIX
    far = ((bytes((8, 8, 5, 1)), 4242),)
    heard(book, record(key(500), network=DIRECT_NETWORK, addresses=far), network=DIRECT_NETWORK)


def test_a_full_book_forgets_hearsay_and_keeps_who_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORDS", 4)
    book = Book(OWN.public)
    reached = heard(book, record(key(1)))
    book.found_at(reached)
    for number in range(2, 20):
        heard(book, record(key(number)), someone(800 + number))
    assert len(book) == 4
    assert reached in book.of(RED)
    for number in range(20, 40):
        heard(book, record(key(number)), someone(number))
    assert book.hear(RED, record(key(50)), someone(), NOW) is None  # hearsay does not displace anybody's own word
    assert reached in book.of(RED)
    assert len(book) == 4 < MAX_RECORDS


def test_all_networks_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BOOK", 6)
    book = Book(OWN.public)
    for number in range(1, 10):
        network = bytes((number,)) * 32
        heard(book, record(key(number), network=network), someone(number), network=network)
    assert len(book) == 6
