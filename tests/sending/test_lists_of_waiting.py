"""Each page of a list is what a sorted list of all messages has there, whatever index has them.

Messages of large sends are in no index by status while they are QUEUED or SUBMITTING.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.identity.access import Everything, OfClient, Scope
from domain.ids import new_id
from domain.pages import Page, Window
from domain.sending.lists import MessageFilter, Period
from domain.sending.messages import MessageStatus, SendKind
from persistence.inbox.messages import read_any_messages
from persistence.sending import listed
from persistence.sending.messages import read_messages, read_messages_of_sends
from persistence.sending.stats import read_message_stats
from persistence.sending.waiting import WAITING
from tests import db

SEEDS = range(4)
KINDS = (SendKind.BULK, SendKind.MULTI, SendKind.SINGLE, SendKind.BULK, SendKind.REPLY)
INSERT_ATTEMPT = """
INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,
                     lease_until, ended_at, outcome)
VALUES ($1, $2, $1, 0, 1, now(), now() + interval '1 minute', CASE WHEN NOT $3 THEN now() END,
        CASE WHEN NOT $3 THEN 'ACCEPTED' END)
"""
# Between the messages of other sends: a job writes its messages in parts.
INSERT_MESSAGE = """
INSERT INTO message (id, send_id, client_id, provider_account_id, number, text, status, attempt_id,
                     priority, price, due_at, created_at)
SELECT $2, send_id, client_id, provider_account_id, number, text, 'QUEUED', NULL, priority, price,
       due_at, created_at
FROM message WHERE id = $1
"""
CHANGE = """
UPDATE message
SET status = $2, attempt_id = $3, provider_account_id = coalesce($4, provider_account_id),
    due_at = due_at + $5::interval, created_at = created_at - $6::interval,
    in_part = CASE WHEN $4 IS NULL AND $5::interval = '0' THEN in_part END,
    deleted_at = CASE WHEN $7 THEN now() END
WHERE id = $1
"""


async def fill(chosen: random.Random) -> list[db.Tenant]:
    """Sends of three clients, most of them sent for a part. Some messages wait elsewhere."""
    pool = await db.add_pool()
    school = await db.add_school()
    clients = [await db.add_client(pool, held=5_000), school, await db.add_client(pool)]
    for _ in range(12):
        kind, count = chosen.choice(KINDS), chosen.randint(2, 25)
        await db.accept(
            chosen.choice(clients[:2]),
            1 if kind in (SendKind.SINGLE, SendKind.REPLY) else count,
            kind=kind,
            send_at=datetime.now(UTC) + timedelta(hours=1) if chosen.random() < 0.2 else None,
        )
    rows = await db.fetch("SELECT id FROM message ORDER BY id")
    between = rows[0]["id"].int, rows[-1]["id"].int
    for row in chosen.sample(rows, len(rows) // 4):
        await db.execute(INSERT_MESSAGE, row["id"], UUID(int=chosen.randint(*between)))
    attempts = {True: new_id(), False: new_id()}
    for is_open, id in attempts.items():
        await db.execute(INSERT_ATTEMPT, id, pool.id, is_open)
    accounts = [None, None, None, pool.id, school.pool.id]
    weights = {each: chosen.randint(0, 5) for each in MessageStatus}
    weights[MessageStatus.QUEUED] += 2
    for row in await db.fetch("SELECT id FROM message"):
        [status] = chosen.choices(list(weights), list(weights.values()))
        attempt = None if status == MessageStatus.QUEUED else attempts[status == "SUBMITTING"]
        retried = timedelta(minutes=chosen.choice([0, 0, 0, 5, 90]))
        await db.execute(
            CHANGE,
            row["id"],
            status,
            attempt,
            chosen.choice(accounts),
            retried,
            timedelta(minutes=chosen.choice([0, 0, 30])),
            status in ("SENT", "DELIVERED") and chosen.random() < 0.1,
        )
    return clients


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[None]:
    async with db.connected(database_url, pool_size=1):
        yield


def page_of(rows: list[dict[str, Any]], window: Window[UUID]) -> tuple[list[UUID], bool, bool]:
    """The page of a list that is sorted, newest first: its IDs, and whether there are others."""
    found = [
        row["id"]
        for row in rows
        if (window.after is None or row["id"] < window.after)
        and (window.before is None or row["id"] > window.before)
    ]
    has_more = len(found) > window.size
    if window.from_end:
        return found[-window.size :], window.before is not None, has_more
    return found[: window.size], has_more, window.after is not None


def shown(page: Page[Any]) -> tuple[list[UUID], bool, bool]:
    return [each.id for each in page.items], page.has_next, page.has_previous


def some_window(chosen: random.Random, ids: list[UUID]) -> Window[UUID]:
    def cursor() -> UUID | None:
        near = UUID(int=chosen.choice(ids).int + chosen.choice([0, 0, 1, -1]))
        return chosen.choice([None, near])

    after, before = cursor(), cursor()
    if after and before and after < before:
        after, before = before, after
    return Window(chosen.choice([1, 3, 20, 500]), after, before, chosen.random() < 0.5)


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_page_is_that_of_a_sorted_list(connected: None, seed: int) -> None:
    chosen = random.Random(seed)
    clients = await fill(chosen)
    rows = await db.fetch("SELECT * FROM message ORDER BY id DESC")
    ids = [row["id"] for row in rows]
    moments = sorted({row["created_at"] for row in rows})
    for _ in range(150):
        client = chosen.choice(clients)
        scopes: list[Scope] = [Everything(), OfClient(client.client_id)]
        scope = chosen.choice(scopes)
        of_send: UUID | None = chosen.choice(rows)["send_id"] if chosen.random() < 0.2 else None
        filter = MessageFilter(
            status=chosen.choice([None, *WAITING, *WAITING, *MessageStatus]),
            send_id=of_send,
            created_after=chosen.choice([None, None, chosen.choice(moments)]),
            created_before=chosen.choice([None, None, chosen.choice(moments)]),
        )
        window = some_window(chosen, ids)
        expected = [
            row
            for row in rows
            if (scope == Everything() or row["client_id"] == client.client_id)
            and (scope == Everything() or row["deleted_at"] is None)
            and (filter.status is None or row["status"] == filter.status)
            and (of_send is None or row["send_id"] == of_send)
            and (filter.created_after is None or row["created_at"] >= filter.created_after)
            and (filter.created_before is None or row["created_at"] < filter.created_before)
        ]
        case = f"{scope} {filter} {window}"
        assert shown(await read_messages(scope, window, filter=filter)) == page_of(
            expected, window
        ), case
        if of_send is None and filter.status is None:
            page = await read_any_messages(scope, window, filter=filter)
            assert shown(page) == page_of(expected, window), case
        if of_send is None and filter.created_after is filter.created_before is None:
            sends = list({row["send_id"] for row in chosen.sample(rows, 5)})
            pages = await read_messages_of_sends(scope, sends, window, status=filter.status)
            for send_id in sends:
                of_one = [row for row in expected if row["send_id"] == send_id]
                assert shown(pages[send_id]) == page_of(of_one, window), case


async def test_messages_are_counted_wherever_they_are_found(connected: None) -> None:
    clients = await fill(random.Random(0))
    rows = await db.fetch("SELECT client_id, status, created_at, price FROM message")
    now = datetime.now(UTC)
    for since in (now - timedelta(hours=2), now - timedelta(minutes=10)):
        for client in clients:
            found = await read_message_stats(
                Everything(), Period.HOUR, since, now, client_id=client.client_id
            )
            expected: dict[MessageStatus, list[int]] = {}
            for row in rows:
                if row["client_id"] == client.client_id and row["created_at"] >= since:
                    counted = expected.setdefault(MessageStatus(row["status"]), [0, 0])
                    counted[0], counted[1] = counted[0] + 1, counted[1] + row["price"]
            summed: dict[MessageStatus, list[int]] = {}
            for each in found:
                counted = summed.setdefault(each.status, [0, 0])
                counted[0], counted[1] = counted[0] + each.messages, counted[1] + each.units
            assert summed == expected


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_search_finds_what_is_among_the_first_messages(
    connected: None, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST_SEARCHED", 25)
    chosen = random.Random(seed)
    clients = await fill(chosen)
    await db.execute("UPDATE message SET deleted_at = NULL")  # they count for the limit
    for client in clients[:2]:
        scope = OfClient(client.client_id)
        for status in (None, MessageStatus.QUEUED, MessageStatus.SENT):
            for from_end in (False, True):
                window: Window[UUID] = Window(500, from_end=from_end)
                filter = MessageFilter(status)
                whole = (await read_messages(scope, window, filter=filter)).items
                page = await read_messages(scope, window, filter=filter, search="morning")
                found = [each.id for each in page.items]
                nearest = sorted((each.id for each in whole), reverse=not from_end)
                # Those of large sends that are queued have their own limit.
                assert len(found) >= min(25, len(whole))
                assert sorted(found) == sorted(nearest[: len(found)])
