"""What slots hold: hits, owners, what is kept, and what is evicted."""

from __future__ import annotations

from reference_node.engine.slots import MIN_ROWS, Place, SlotTable

ALICE, BOB = b"alice", b"bob"


def serve(table: SlotTable, owner: bytes | None, prompt: list[int]) -> Place:
    """Places a request, prefills it in one run, and frees its slot."""
    place = seat(table, owner, prompt)
    table.leave(place.slot)
    return place


def seat(table: SlotTable, owner: bytes | None, prompt: list[int]) -> Place:
    place = table.place(owner, prompt)
    if place.source != place.slot:
        table.written(place.slot, 0, place.cached)
    table.written(place.slot, place.cached, len(prompt) - place.cached)
    return place


def table(slots: int = 3, *, copies: bool = True) -> SlotTable:
    return SlotTable(slots, copies=copies)


CHAT = list(range(100, 140))


def test_an_owner_goes_on_in_the_same_slot() -> None:
    made = table()
    assert serve(made, ALICE, CHAT) == Place(slot=0, source=0, cached=0)
    assert serve(made, ALICE, [*CHAT, 7, 8, 9]) == Place(slot=0, source=0, cached=40)
    assert serve(made, ALICE, [*CHAT, 7, 8, 9, 1, 1]) == Place(slot=0, source=0, cached=43)


def test_no_owner_goes_on_from_what_another_left() -> None:
    made = table()
    serve(made, ALICE, CHAT)
    assert serve(made, BOB, CHAT).cached == 0
    assert serve(made, None, CHAT).cached == 0
    assert serve(made, None, CHAT).cached == 0  # nobody in particular shares with nobody, itself included
    assert serve(made, ALICE, CHAT).cached == len(CHAT) - MIN_ROWS


def test_a_hit_leaves_tokens_to_prefill() -> None:
    made = table()
    serve(made, ALICE, CHAT)
    for length in range(1, len(CHAT) + 1):
        cached = made.place(ALICE, CHAT[:length]).cached
        assert cached == (length - MIN_ROWS if length >= 2 * MIN_ROWS else 0)
        made = table()
        serve(made, ALICE, CHAT)


def test_what_was_decoded_is_not_kept() -> None:
    made = table()
    place = made.place(ALICE, CHAT)
    made.written(place.slot, 0, len(CHAT))
    assert made.leave(place.slot) == len(CHAT)  # whatever was generated after it
    assert serve(made, ALICE, [*CHAT, 1, 2, 3, 4]).cached == len(CHAT)


def test_a_prompt_of_one_token_counts_as_decoded() -> None:
    made = table()
    assert serve(made, ALICE, [5]) == Place(slot=0, source=0, cached=0)
    assert serve(made, ALICE, [5, 6, 7, 8]).cached == 0


def test_a_cancelled_prompt_leaves_what_was_fed() -> None:
    made = table()
    place = made.place(ALICE, CHAT)
    made.written(place.slot, 0, 10)
    assert made.leave(place.slot) == 10
    assert made.place(ALICE, CHAT).cached == 10


def test_a_copy_that_was_not_made_counts_for_nothing() -> None:
    made = table()
    seat(made, ALICE, CHAT)
    place = made.place(ALICE, CHAT)
    assert (place.source, place.slot, place.cached) == (0, 1, 38)
    assert made.leave(place.slot) == 0


def test_a_running_conversation_is_copied_from() -> None:
    made = table()
    assert seat(made, ALICE, CHAT).slot == 0
    assert seat(made, ALICE, [*CHAT, 1, 2]) == Place(slot=1, source=0, cached=40)
    assert seat(made, ALICE, [*CHAT, 1, 2, 3, 4]) == Place(slot=2, source=1, cached=42)
    assert made.free() == 0


def test_a_common_beginning_does_not_cost_a_conversation() -> None:
    made = table()
    serve(made, ALICE, CHAT)
    assert serve(made, ALICE, [*CHAT[:15], 1, 2, 3]) == Place(slot=1, source=0, cached=15)
    assert serve(made, ALICE, [*CHAT, 9, 9]) == Place(slot=0, source=0, cached=40)


def test_the_only_slot_is_used_in_place() -> None:
    made = table(1)
    serve(made, ALICE, CHAT)
    assert serve(made, ALICE, [*CHAT[:15], 1, 2, 3]) == Place(slot=0, source=0, cached=15)


def test_the_least_recently_used_slot_is_evicted() -> None:
    made = table(2)
    serve(made, ALICE, CHAT)
    serve(made, BOB, CHAT)
    serve(made, ALICE, [*CHAT, 1, 2])
    assert serve(made, b"carol", CHAT).slot == 1
    assert serve(made, ALICE, [*CHAT, 1, 2, 3, 4]).cached == 42
    assert serve(made, BOB, CHAT).cached == 0


def test_where_slots_are_not_copied_a_free_one_goes_on_and_no_other() -> None:
    made = table(copies=False)
    serve(made, ALICE, CHAT)
    assert serve(made, ALICE, [*CHAT[:5], 1, 2, 3]) == Place(slot=1, source=1, cached=0)
    assert seat(made, ALICE, [*CHAT, 1, 2]) == Place(slot=0, source=0, cached=40)
    assert seat(made, ALICE, [*CHAT[:5], 9, 9]) == Place(slot=1, source=1, cached=5)
    assert seat(made, ALICE, [*CHAT, 1, 2]) == Place(slot=2, source=2, cached=0)
