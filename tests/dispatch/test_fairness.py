"""Whose messages are next: replies, singles, then bulk. Tenants take turns, and all are served."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch.fairness import (
    BULK,
    NO_TENANT,
    REPLIES,
    SINGLES,
    URGENT_CALLS_PER_BULK_CALL,
    Round,
    Turns,
    share_out,
    slots_without_bulk,
    take_turns,
)
from domain.dispatch.messages import Quota, Waiting

ANNE, BOB, CLEO = (UUID(int=each) for each in (1, 2, 3))
ALL_WAIT = [Waiting(BULK, ANNE), Waiting(SINGLES, BOB), Waiting(REPLIES, CLEO)]


def test_replies_go_before_singles_and_singles_before_bulk() -> None:
    assert Turns(8).rounds(ALL_WAIT) == [Round(REPLIES), Round(SINGLES), Round(BULK)]


def test_after_eight_urgent_calls_one_of_bulk_goes_first() -> None:
    turns = Turns(8)
    for _ in range(URGENT_CALLS_PER_BULK_CALL):
        assert turns.rounds(ALL_WAIT)[0] == Round(REPLIES)
        turns.served([Waiting(REPLIES, CLEO)], ALL_WAIT)
    assert turns.rounds(ALL_WAIT)[0] == Round(BULK, most_calls=1)
    turns.served([Waiting(BULK, ANNE)], ALL_WAIT)
    assert turns.rounds(ALL_WAIT)[0] == Round(REPLIES)


def test_bulk_is_claimed_if_no_single_message_waits() -> None:
    turns = Turns(8)
    singles = [Waiting(SINGLES, BOB)]
    for _ in range(3 * URGENT_CALLS_PER_BULK_CALL):
        turns.served(singles, singles)
    assert turns.rounds(ALL_WAIT)[0] == Round(REPLIES)


@pytest.mark.parametrize(
    ("slots", "open_calls", "free"),
    [
        (16, {}, {REPLIES: 16, SINGLES: 15, BULK: 12}),
        (16, {BULK: 12}, {REPLIES: 4, SINGLES: 3, BULK: 0}),
        (16, {BULK: 10, SINGLES: 5}, {REPLIES: 1, SINGLES: 0, BULK: 0}),
        (16, {SINGLES: 15}, {REPLIES: 1, SINGLES: 0, BULK: 0}),
        (16, {REPLIES: 16}, {REPLIES: 0, SINGLES: 0, BULK: 0}),
        (2, {}, {REPLIES: 2, SINGLES: 2, BULK: 1}),
        (1, {}, {REPLIES: 1, SINGLES: 1, BULK: 1}),
        (1, {BULK: 1}, {REPLIES: 0, SINGLES: 0, BULK: 0}),
    ],
)
def test_bulk_leaves_slots_to_what_is_urgent_and_singles_leave_one_to_replies(
    slots: int, open_calls: dict[int, int], free: dict[int, int]
) -> None:
    turns = Turns(slots)
    assert {each: turns.free_slots(each, open_calls) for each in free} == free


@given(slots=st.integers(1, 64), arrivals=st.lists(st.sampled_from([REPLIES, SINGLES, BULK])))
def test_the_slots_are_never_overbooked(slots: int, arrivals: list[int]) -> None:
    turns = Turns(slots)
    open_calls: Counter[int] = Counter()
    for priority in arrivals:
        if turns.free_slots(priority, open_calls):
            open_calls[priority] += 1
    assert open_calls.total() <= slots
    assert open_calls[BULK] <= slots - slots_without_bulk(slots)


def test_the_next_turn_begins_behind_the_tenant_served_last() -> None:
    turns = Turns(8)
    assert turns.after() == {REPLIES: NO_TENANT, SINGLES: NO_TENANT, BULK: NO_TENANT}
    turns.served([Waiting(SINGLES, ANNE), Waiting(SINGLES, BOB)], ALL_WAIT)
    assert turns.after() == {REPLIES: NO_TENANT, SINGLES: BOB, BULK: NO_TENANT}


def test_each_tenant_has_the_same_share() -> None:
    tenants = [Waiting(BULK, each) for each in (ANNE, BOB)]
    assert share_out(tenants, most_calls=4, batch=100) == [
        Quota(BULK, ANNE, 200),
        Quota(BULK, BOB, 200),
    ]
    assert share_out(tenants, most_calls=3, batch=1) == [Quota(BULK, ANNE, 2), Quota(BULK, BOB, 2)]
    assert share_out(tenants, most_calls=1, batch=100) == [Quota(BULK, ANNE, 100)]
    assert share_out([], most_calls=4, batch=100) == []


def test_turns_are_taken_round_by_round() -> None:
    assert take_turns(["aaa", "b", "cc"]) == ["a", "b", "c", "a", "c", "a"]
    assert take_turns([]) == []
