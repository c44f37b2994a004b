"""Whose an inbound message is: each rule, their order, and what no rule decides."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox import routing
from domain.inbox.routing import NotYet, Routed, Signposts, Traces, Unrouted, route
from domain.sending.sends import Line

ANNE, BOB, CARL, DORA, EVE = (UUID(int=each) for each in range(1, 6))
LINE, OTHER = Line("m1", "7"), Line("m1", "8")

TABLE = [
    ("a number of ours", Traces(assigned=ANNE), Routed(ANNE, routing.BY_NUMBER)),
    ("a line set by hand", Traces(by_hand=BOB), Routed(BOB, routing.BY_HAND)),
    ("the last conversation", Traces(talking=[CARL]), Routed(CARL, routing.BY_CONVERSATION)),
    (
        "the last of several conversations",
        Traces(talking=[CARL, ANNE]),
        Routed(CARL, routing.BY_CONVERSATION),
    ),
    ("seen alone on the line", Traces(seen={DORA}), Routed(DORA, routing.BY_LINE)),
    ("wrote alone", Traces(writers={EVE}), Routed(EVE, routing.BY_WRITING)),
    ("nothing at all", Traces(), Unrouted(routing.NOBODY)),
    ("two on the line, none wrote", Traces(seen={ANNE, BOB}), Unrouted(routing.NOBODY)),
    ("two wrote", Traces(writers={ANNE, BOB}), Unrouted(routing.SEVERAL_WROTE)),
    (
        "two on the line, one of them wrote",
        Traces(seen={ANNE, BOB}, writers={BOB}),
        Routed(BOB, routing.BY_WRITING),
    ),
    (
        "the number before the line",
        Traces(assigned=ANNE, by_hand=BOB, talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(ANNE, routing.BY_NUMBER),
    ),
    (
        "the hand before the conversation",
        Traces(by_hand=BOB, talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(BOB, routing.BY_HAND),
    ),
    (
        "the conversation before the line",
        Traces(talking=[CARL], seen={DORA}, writers={EVE}),
        Routed(CARL, routing.BY_CONVERSATION),
    ),
    (
        "the line before who wrote, where it is the same",
        Traces(seen={DORA}, writers={DORA}),
        Routed(DORA, routing.BY_LINE),
    ),
    (
        "who wrote before the line that another was the first to be seen on",
        Traces(seen={DORA}, writers={EVE}),
        Routed(EVE, routing.BY_WRITING),
    ),
    (
        "the first to be seen on the line and another wrote",
        Traces(seen={DORA}, writers={DORA, EVE}),
        Unrouted(routing.SEVERAL_WROTE),
    ),
    ("who wrote is not all known", Traces(writers={EVE}, complete=False), NotYet()),
    ("nobody yet", Traces(complete=False), NotYet()),
    ("two talk, a reply may be on its way", Traces(talking=[ANNE, BOB], complete=False), NotYet()),
    (
        "one talks, whoever else wrote",
        Traces(talking=[ANNE], complete=False),
        Routed(ANNE, routing.BY_CONVERSATION),
    ),
    (
        "one on the line, but another may have written",
        Traces(seen={DORA}, complete=False),
        NotYet(),
    ),
]


@pytest.mark.parametrize(
    ("traces", "expected"), [pytest.param(each[1], each[2], id=each[0]) for each in TABLE]
)
def test_the_first_rule_that_fits_decides(
    traces: Traces, expected: Routed | Unrouted | NotYet
) -> None:
    assert route(traces) == expected


def test_a_second_client_on_a_line_makes_it_nobodys() -> None:
    signposts = Signposts()
    signposts.learn(sender="+12025550101", line=LINE, client_id=ANNE)
    stranger = {"sender": "+12025550102", "receiver": None, "complete": True}
    assert route(signposts.traces(line=LINE, **stranger)) == Routed(ANNE, routing.BY_LINE)  # type: ignore[arg-type]
    signposts.learn(sender="+12025550103", line=LINE, client_id=BOB)
    assert route(signposts.traces(line=LINE, **stranger)) == Unrouted(routing.NOBODY)  # type: ignore[arg-type]
    assert route(signposts.traces(line=OTHER, **stranger)) == Unrouted(routing.NOBODY)  # type: ignore[arg-type]


def test_whoever_wrote_last_on_a_line_is_meant() -> None:
    signposts = Signposts()
    for client_id in (ANNE, BOB, ANNE):
        signposts.learn(sender="+12025550101", line=LINE, client_id=client_id)
    traces = signposts.traces(sender="+12025550101", receiver=None, line=LINE, complete=True)
    assert list(traces.talking) == [ANNE, BOB]


CLIENTS = st.sampled_from([ANNE, BOB, CARL])


@given(
    assigned=st.none() | CLIENTS,
    by_hand=st.none() | CLIENTS,
    talking=st.lists(CLIENTS, unique=True),
    seen=st.sets(CLIENTS),
    writers=st.sets(CLIENTS),
    complete=st.booleans(),
)
def test_nobody_gets_a_message_that_nothing_points_to_him_with(
    assigned: UUID | None,
    by_hand: UUID | None,
    talking: list[UUID],
    seen: set[UUID],
    writers: set[UUID],
    complete: bool,
) -> None:
    found = route(Traces(assigned, by_hand, talking, seen, writers, complete))
    if isinstance(found, Routed):
        pointed_to = {assigned, by_hand, *talking[:1]}
        pointed_to |= seen if len(seen) == 1 and writers <= seen and complete else set()
        pointed_to |= writers if len(writers) == 1 and complete else set()
        assert found.client_id in pointed_to
