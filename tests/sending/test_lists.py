"""Lists of sends and messages with filters, and statistics of messages over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ids
from domain.errors import InvalidInput
from domain.identity.access import Everything, OfClient, OfGroup
from domain.ids import Kind, first_id_at, new_id
from domain.inbox.capture import capture_contacts
from domain.pages import Window
from domain.sending.lists import (
    MOST_PERIODS,
    MessageFilter,
    MessageStat,
    Period,
    SendFilter,
    SendOrder,
    StatRow,
    periods_of,
    stats_of,
)
from domain.sending.messages import MessageStatus, SendKind
from persistence import store
from tests import db
from tests.installations import App

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

SENDS = """query ($filter: SendFilter, $orderBy: SendOrder, $first: Int, $after: String) {
    sends(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
        nodes { id kind accepted } pageInfo { hasNextPage endCursor } } }"""
MESSAGES = """query ($filter: MessageFilter, $status: MessageStatus) {
    messages(filter: $filter, status: $status) {
        nodes { id number direction send { id accepted counts { queued } } } } }"""
STATS = """query ($by: StatsPeriod!, $from: DateTime!, $to: DateTime!, $clientId: ID) {
    messageStats(by: $by, from: $from, to: $to, clientId: $clientId) {
        startsAt charged counts { queued sent rejected cancelled } } }"""


async def sent_at(tenant: db.Tenant, moment: datetime, count: int = 1) -> UUID:
    """A send that was accepted at that time, and whose IDs say so."""
    send = await db.accept(tenant, count)
    start = str(first_id_at(moment))[:13]
    moves = {"send": ["id"], "message": ["id", "send_id"]}
    for table, columns in {**moves, "queued_part": ["first_id", "last_id", "send_id"]}.items():
        moved = ", ".join(f"{each} = ($3 || substr({each}::text, 14))::uuid" for each in columns)
        await db.execute(
            f"UPDATE {table} SET {'due_at' if table == 'queued_part' else 'created_at'} = $2,"
            f" {moved} WHERE {columns[-1]} = $1",
            send.id,
            moment,
            start,
        )
    return UUID(start + str(send.id)[13:])


async def received(tenant: db.Tenant, number: str) -> UUID:
    """A message from a phone."""
    message_id = new_id()
    await db.execute(
        "INSERT INTO inbound (id, client_id, number, text, feed) VALUES ($1, $2, $3, 'Hello', 1)",
        message_id,
        tenant.client_id,
        number,
    )
    return message_id


async def sends_of(app: App, who: str, **requested: Any) -> list[str]:
    """The IDs of the sends that somebody lists."""
    answer = await app.answer(who, SENDS, **requested)
    return [each["id"] for each in answer["nodes"]]


async def numbers_of(app: App, **requested: Any) -> list[str]:
    """The numbers of the messages that the owner lists."""
    answer = await app.answer("owner", MESSAGES, **requested)
    return [each["number"] for each in answer["nodes"]]


# Sends


async def test_sends_are_filtered_by_time_kind_and_client(app: App) -> None:
    now = datetime.now(UTC)
    early, late = [await sent_at(app.owner, now - each) for each in (5 * HOUR, HOUR)]
    others = await sent_at(app.sibling, now - HOUR)
    scope = OfClient(app.owner.client_id)

    async def listed(filter: SendFilter, scope: Any = scope) -> list[UUID]:
        page = await store.read_sends(scope, Window(25), filter=filter)
        return [each.id for each in page.items]

    assert await listed(SendFilter(created_after=now - 2 * HOUR)) == [late]
    assert await listed(SendFilter(created_before=now - 2 * HOUR)) == [early]
    assert await listed(SendFilter(created_after=now - 5 * HOUR, created_before=now)) == [
        late,
        early,
    ]
    assert await listed(SendFilter(kind=SendKind.SINGLE)) == [late, early]
    assert await listed(SendFilter(kind=SendKind.REPLY)) == []
    assert await listed(SendFilter(client_id=app.sibling.client_id)) == []
    assert await listed(SendFilter(client_id=app.sibling.client_id), Everything()) == [others]
    assert await listed(SendFilter(), OfGroup(app.group.id)) == []


async def test_sends_are_paged_in_both_orders(app: App) -> None:
    newest = [ids.encode(Kind.SEND, (await db.accept(app.owner)).id) for _ in range(5)][::-1]
    assert await sends_of(app, "owner") == newest
    for order, expected in (("NEWEST", newest), ("OLDEST", newest[::-1])):
        found: list[str] = []
        after = None
        for _ in range(3):
            answer = await app.answer("owner", SENDS, orderBy=order, first=2, after=after)
            found += [each["id"] for each in answer["nodes"]]
            after = answer["pageInfo"]["endCursor"]
        assert (found, answer["pageInfo"]["hasNextPage"]) == (expected, False)


@pytest.mark.parametrize("order", SendOrder)
async def test_a_page_before_a_cursor_has_what_the_whole_list_has_there(
    app: App, order: SendOrder
) -> None:
    for _ in range(4):
        await db.accept(app.owner)
    scope = OfClient(app.owner.client_id)
    everything = (await store.read_sends(scope, Window(25), order=order)).items
    last: Window[UUID] = Window(2, before=everything[3].id, from_end=True)
    page = await store.read_sends(scope, last, order=order)
    assert (page.items, page.has_next, page.has_previous) == (everything[1:3], True, True)


# Messages


async def test_messages_are_filtered(app: App) -> None:
    now = datetime.now(UTC)
    one, two, three = db.generated_numbers(3)
    first = await db.accept(app.owner, numbers=[one, two])
    await db.accept(app.owner, numbers=[three])
    await db.execute("UPDATE message SET status = 'SENT', attempt_id = id WHERE number = $1", two)
    await received(app.owner, one)
    await capture_contacts(store)  # messages by number are written at the capture
    national = one.removeprefix("+1")
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [one, three, two, one]),
        ({"direction": "INBOUND"}, [one]),
        ({"direction": "OUTBOUND"}, [three, two, one]),
        ({"number": national}, [one, one]),
        ({"number": national, "direction": "OUTBOUND"}, [one]),
        ({"number": "SUPPORT"}, []),
        ({"number": national, "status": "QUEUED", "createdBefore": now.isoformat()}, []),
        ({"number": one, "sendId": ids.encode(Kind.SEND, first.id)}, [one]),
        ({"number": one, "sendId": ids.encode(Kind.SEND, UUID(int=404))}, []),
        ({"status": "SENT"}, [two]),
        ({"status": "SENT", "direction": "INBOUND"}, []),
        ({"sendId": ids.encode(Kind.SEND, first.id)}, [two, one]),
        ({"sendId": ids.encode(Kind.SEND, UUID(int=404))}, []),
        ({"createdAfter": (now - HOUR).isoformat()}, [one, three, two, one]),
        ({"createdBefore": (now - HOUR).isoformat()}, []),
        ({"createdAfter": "0001-01-01T00:00:00Z"}, [one, three, two, one]),
        ({"createdBefore": "9999-12-31T23:59:59Z"}, [one, three, two, one]),
        ({"createdBefore": "1960-01-01T00:00:00Z"}, []),
    ]
    for filter, expected in cases:
        assert await numbers_of(app, filter=filter) == expected, filter
    assert await numbers_of(app, status="QUEUED") == [three, one]
    twice = await app.ask("owner", MESSAGES, status="SENT", filter={"status": "QUEUED"})
    assert twice["errors"][0]["message"] == "Give status or filter.status, not both."
    assert await app.code("owner", MESSAGES, filter={"number": "\0"}) == "BAD_USER_INPUT"


async def test_a_message_shows_its_send(app: App) -> None:
    send = await db.accept(app.owner, 2)
    await received(app.owner, db.generated_numbers(1)[0])
    answer = await app.answer("owner", MESSAGES)
    shown = {"id": ids.encode(Kind.SEND, send.id), "accepted": 2, "counts": {"queued": 2}}
    assert [each["send"] for each in answer["nodes"]] == [None, shown, shown]


# Statistics


async def test_statistics_count_messages_and_units_by_hour_and_day(app: App) -> None:
    begin = Period.HOUR.begin(datetime.now(UTC)) - 5 * HOUR
    sent = await sent_at(app.owner, begin + HOUR / 2, 3)
    await sent_at(app.owner, begin + 2 * HOUR)
    await sent_at(app.owner, begin + 3 * HOUR)  # not within the requested time
    await sent_at(app.sibling, begin)
    await db.execute(
        "UPDATE message SET status = 'CANCELLED' WHERE id ="
        " (SELECT id FROM message WHERE send_id = $1 LIMIT 1)",
        sent,
    )
    requested = {"from": begin.isoformat(), "to": (begin + 3 * HOUR).isoformat()}
    hours = await app.answer("owner", STATS, by="HOUR", **requested)
    starts = [datetime.fromisoformat(each["startsAt"]) for each in hours]
    assert starts == [begin, begin + HOUR, begin + 2 * HOUR]
    nothing = {"queued": 0, "sent": 0, "rejected": 0, "cancelled": 0}
    assert [each["counts"] for each in hours] == [
        {**nothing, "queued": 2, "cancelled": 1},
        nothing,
        {**nothing, "queued": 1},
    ]
    assert [each["charged"] for each in hours] == [2, 0, 1]
    client_id = ids.encode(Kind.CLIENT, app.owner.client_id)
    for who, named, messages in (
        ("owner", None, 3),
        ("owner", client_id, 3),
        ("admin", client_id, 3),
        ("admin", None, 4),
        ("sibling", None, 1),
    ):
        days = await app.answer(who, STATS, by="DAY", clientId=named, **requested)
        assert days[0]["startsAt"].endswith("T00:00:00Z")
        assert sum(each["counts"]["queued"] for each in days) == messages, (who, named)


async def test_statistics_of_too_much_time_are_refused(app: App) -> None:
    for requested in (
        {"by": "HOUR", "from": "2025-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"by": "DAY", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    ):
        assert await app.code("owner", STATS, **requested) == "BAD_USER_INPUT"


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(
    by=st.sampled_from(Period), starts_at=moments, minutes=st.integers(1, 60 * (MOST_PERIODS - 1))
)
def test_periods_cover_the_time_without_gaps(by: Period, starts_at: datetime, minutes: int) -> None:
    ends_at = starts_at + timedelta(minutes=minutes)
    periods = periods_of(by, starts_at, ends_at)
    assert periods[0] <= starts_at < periods[0] + by.length
    assert periods[-1] < ends_at <= periods[-1] + by.length
    assert [each + by.length for each in periods[:-1]] == periods[1:]
    assert all(by.begin(each) == each for each in periods)


def test_a_period_without_an_end_or_with_too_many_parts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="before"):
        periods_of(Period.DAY, NOON, NOON)
    with pytest.raises(InvalidInput, match="At most 750"):
        periods_of(Period.HOUR, NOON, NOON + MOST_PERIODS * HOUR + HOUR)


@pytest.mark.parametrize("by", Period)
def test_periods_until_the_last_possible_time_are_listed(by: Period) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert periods_of(by, last - by.length, last) == [by.begin(last) - by.length, by.begin(last)]


def test_units_of_refunded_messages_are_not_charged() -> None:
    rows = [
        StatRow(NOON, MessageStatus.SENT, 3, 150),
        StatRow(NOON, MessageStatus.REJECTED, 2, 100),
        StatRow(NOON, MessageStatus.UNKNOWN, 1, 50),
    ]
    counts = {row.status: row.messages for row in rows}
    assert stats_of([NOON, NOON + HOUR], rows) == [
        MessageStat(NOON, counts, 200),
        MessageStat(NOON + HOUR),
    ]


def test_a_filter_that_only_outbound_messages_match_says_so() -> None:
    assert MessageFilter(MessageStatus.SENT).is_outbound
    assert not MessageFilter(number="+12025550101").is_outbound
