"""Routing: each rule, their order, and messages that no rule matches."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox import routing
from domain.inbox.routing import CandidateIndex, Candidates, DecideLater, Routed, Unrouted, route
from domain.inbox.senders import Sender
from domain.sending.messages import Line

ANNE, BOB, CARL, DORA, EVE = (UUID(int=each) for each in range(1, 6))
LINE, OTHER = Line("m1", "7"), Line("m1", "8")

TABLE = [
    ("an assigned number", Candidates(assigned=ANNE), Routed(ANNE, routing.BY_NUMBER)),
    ("a line assigned by hand", Candidates(by_hand=BOB), Routed(BOB, routing.BY_HAND)),
    ("the last conversation", Candidates(talking=[CARL]), Routed(CARL, routing.BY_CONVERSATION)),
    (
        "the last of several conversations",
        Candidates(talking=[CARL, ANNE]),
        Routed(CARL, routing.BY_CONVERSATION),
    ),
    ("the only client on the line", Candidates(seen={DORA}), Routed(DORA, routing.BY_LINE)),
    ("the only client that wrote", Candidates(writers={EVE}), Routed(EVE, routing.BY_WRITING)),
    ("no candidate", Candidates(), Unrouted(routing.NOBODY)),
    ("two clients on the line, none wrote", Candidates(seen={ANNE, BOB}), Unrouted(routing.NOBODY)),
    ("two clients wrote", Candidates(writers={ANNE, BOB}), Unrouted(routing.SEVERAL_WROTE)),
    (
        "two clients on the line, one of them wrote",
        Candidates(seen={ANNE, BOB}, writers={BOB}),
        Routed(BOB, routing.BY_WRITING),
    ),
    (
        "the number before the line",
        Candidates(assigned=ANNE, by_hand=BOB, talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(ANNE, routing.BY_NUMBER),
    ),
    (
        "the line assigned by hand before the conversation",
        Candidates(by_hand=BOB, talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(BOB, routing.BY_HAND),
    ),
    (
        "the conversation before the line",
        Candidates(talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(CARL, routing.BY_CONVERSATION),
    ),
    (
        "the line before the writer, if both are one client",
        Candidates(seen={DORA}, writers={DORA}),
        Routed(DORA, routing.BY_LINE),
    ),
    (
        "the writer before a line that another client was seen on",
        Candidates(seen={DORA}, writers={EVE}),
        Routed(EVE, routing.BY_WRITING),
    ),
    (
        "two clients wrote, one of them is on the line",
        Candidates(seen={DORA}, writers={DORA, EVE}),
        Unrouted(routing.SEVERAL_WROTE),
    ),
    ("the writers are not complete", Candidates(writers={EVE}, complete=False), DecideLater()),
    ("no candidate yet", Candidates(complete=False), DecideLater()),
    (
        "two conversations, a reply may be under way",
        Candidates(talking=[ANNE, BOB], complete=False),
        DecideLater(),
    ),
    (
        "one conversation, other writers do not matter",
        Candidates(talking=[ANNE], complete=False),
        Routed(ANNE, routing.BY_CONVERSATION),
    ),
    (
        "one client on the line, another may have written",
        Candidates(seen={DORA}, complete=False),
        DecideLater(),
    ),
]


@pytest.mark.parametrize(
    ("candidates", "expected"), [pytest.param(each[1], each[2], id=each[0]) for each in TABLE]
)
def test_the_first_rule_that_matches_decides(
    candidates: Candidates, expected: Routed | Unrouted | DecideLater
) -> None:
    assert route(candidates) == expected


def test_a_second_client_on_a_line_ends_the_learned_route() -> None:
    index = CandidateIndex()
    index.learn(sender="+12025550101", line=LINE, client_id=ANNE)
    stranger = {"sender": "+12025550102", "receivers": (), "complete": True}
    assert route(index.candidates(line=LINE, **stranger)) == Routed(ANNE, routing.BY_LINE)  # type: ignore[arg-type]
    index.learn(sender="+12025550103", line=LINE, client_id=BOB)
    assert route(index.candidates(line=LINE, **stranger)) == Unrouted(routing.NOBODY)  # type: ignore[arg-type]
    assert route(index.candidates(line=OTHER, **stranger)) == Unrouted(routing.NOBODY)  # type: ignore[arg-type]


def test_the_client_last_active_on_a_line_comes_first() -> None:
    index = CandidateIndex()
    for client_id in (ANNE, BOB, ANNE):
        index.learn(sender="+12025550101", line=LINE, client_id=client_id)
    candidates = index.candidates(sender="+12025550101", receivers=(), line=LINE, complete=True)
    assert list(candidates.talking) == [ANNE, BOB]


CLIENTS = st.sampled_from([ANNE, BOB, CARL])


@given(
    assigned=st.none() | CLIENTS,
    by_hand=st.none() | CLIENTS,
    talking=st.lists(CLIENTS, unique=True),
    seen=st.sets(CLIENTS),
    writers=st.sets(CLIENTS),
    complete=st.booleans(),
)
def test_no_client_receives_a_message_without_a_rule_for_it(
    assigned: UUID | None,
    by_hand: UUID | None,
    talking: list[UUID],
    seen: set[UUID],
    writers: set[UUID],
    complete: bool,
) -> None:
    found = route(Candidates(assigned, by_hand, talking, seen, writers, complete))
    if isinstance(found, Routed):
        pointed_to = {assigned, by_hand, *talking[:1]}
        pointed_to |= seen if len(seen) == 1 and writers <= seen and complete else set()
        pointed_to |= writers if len(writers) == 1 and complete else set()
        assert found.client_id in pointed_to


AMBIGUOUS = "6595550143"
NUMBERS = (f"+1{AMBIGUOUS}", f"+{AMBIGUOUS}")
INDEXES = st.builds(
    CandidateIndex,
    assigned=st.dictionaries(st.just("+12025550111"), CLIENTS),
    by_hand=st.dictionaries(st.just(LINE), CLIENTS),
    seen=st.dictionaries(st.just(LINE), st.sets(CLIENTS, min_size=1)),
    talking=st.dictionaries(
        st.sampled_from([(number, LINE) for number in NUMBERS]),
        st.lists(CLIENTS, unique=True, min_size=1),
    ),
    writers=st.dictionaries(st.sampled_from(NUMBERS), st.sets(CLIENTS, min_size=1)),
    correspondents=st.dictionaries(st.sampled_from(NUMBERS), st.sets(CLIENTS, min_size=1)),
)
SENDERS = st.sampled_from(
    [Sender(NUMBERS), Sender(NUMBERS[:1]), Sender(NUMBERS[1:]), Sender((), "68849"), Sender(())]
)


@given(
    index=INDEXES,
    sender=SENDERS,
    receivers=st.sampled_from([(), ("+12025550111",), ("+12025550112",)]),
    line=st.sampled_from([None, LINE, OTHER]),
    complete=st.booleans(),
)
def test_no_spelling_of_a_sender_shows_a_message_to_a_client_without_a_reason(
    index: CandidateIndex,
    sender: Sender,
    receivers: tuple[str, ...],
    line: Line | None,
    complete: bool,
) -> None:
    found, number = index.route(sender, receivers=receivers, line=line, complete=complete)
    if not isinstance(found, Routed):
        return
    assert number in (*sender.numbers, sender.name)
    receives = {index.assigned.get(each) for each in receivers}
    receives.add(index.by_hand.get(line) if line else None)
    if found.client_id in receives:
        return
    assert sender.numbers, "a sender without a number is routed by its receiver alone"
    others = [each for each in sender.numbers if each != number]
    assert not any(index.correspondents.get(each) for each in others)
    by_number = {*index.talking.get((number, line), [])[:1]} if line else set()
    by_number |= index.writers.get(number, set()) if complete else set()
    by_number |= index.seen.get(line, set()) if line and complete else set()
    assert found.client_id in by_number
