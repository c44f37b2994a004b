"""Which messages are in one call: those of one tenant and one send, up to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch.fairness import BULK, REPLIES, SINGLES, group
from domain.dispatch.messages import Queued


def queued(
    number: int, *, send: int = 1, client: int = 1, priority: int = BULK, alone: bool = False
) -> Queued:
    return Queued(
        id=UUID(int=number),
        send_id=UUID(int=send),
        client_id=UUID(int=client),
        priority=priority,
        number=f"+{number}",
        text="Hello",
        alone=alone,
    )


def ids(calls: Sequence[Sequence[Queued]]) -> list[list[int]]:
    return [[message.id.int for message in call] for call in calls]


def test_messages_of_one_send_leave_together_up_to_a_batch() -> None:
    picked = [queued(number) for number in range(5)]
    assert ids(group(picked, batch=2, most_calls=9)) == [[0, 1], [2, 3], [4]]


def test_messages_of_two_sends_never_leave_together() -> None:
    picked = [queued(1, send=1), queued(2, send=2), queued(3, send=1)]
    assert ids(group(picked, batch=9, most_calls=9)) == [[1, 3], [2]]


def test_a_message_that_must_be_sent_alone_is_alone_in_its_call() -> None:
    picked = [queued(1), queued(2, alone=True), queued(3)]
    assert ids(group(picked, batch=9, most_calls=9)) == [[1, 3], [2]]


def test_singles_and_replies_leave_one_by_one() -> None:
    for priority in (SINGLES, REPLIES):
        picked = [queued(number, priority=priority) for number in (1, 2)]
        assert ids(group(picked, batch=9, most_calls=9)) == [[1], [2]]


def test_tenants_take_turns_where_not_all_calls_fit() -> None:
    picked = [queued(1), queued(2), queued(3), queued(4, client=2), queued(5, client=2)]
    assert ids(group(picked, batch=1, most_calls=3)) == [[1], [4], [2]]


def test_no_more_messages_leave_than_the_rate_allows() -> None:
    picked = [queued(number) for number in range(5)]
    assert ids(group(picked, batch=3, most_calls=9, most_messages=4)) == [[0, 1, 2], [3]]
    assert ids(group(picked, batch=3, most_calls=9, most_messages=0)) == []


@given(
    marks=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()), max_size=30),
    batch=st.integers(1, 5),
)
def test_every_message_is_in_one_call_with_its_own_kind_only(
    marks: list[tuple[int, int, bool]], batch: int
) -> None:
    picked = sorted(
        (
            queued(number, client=client, send=10 * client + send, alone=alone)
            for number, (client, send, alone) in enumerate(marks)
        ),
        key=lambda message: message.client_id,
    )
    calls = group(picked, batch=batch, most_calls=99)
    assert sorted(message.id for call in calls for message in call) == [
        UUID(int=number) for number in range(len(marks))
    ]
    for call in calls:
        assert 1 <= len(call) <= batch
        assert len({(message.client_id, message.send_id) for message in call}) == 1
        assert len(call) == 1 or not any(message.alone for message in call)
