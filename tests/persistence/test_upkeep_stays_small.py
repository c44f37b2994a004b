"""The queries that run every minute for due or old rows read only what they find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from domain.dispatch.messages import UnknownAttempt, UnknownFilter, UnknownKey
from domain.dispatch.settle import FIRST_KEY
from domain.identity.access import Everything
from domain.inbox import capture
from domain.inbox.webhooks import DueEvent
from domain.sending.files.table import KEPT_SECONDS
from persistence import store
from tests import db
from tests.persistence.test_reads_stay_small import assert_small, work_of

EXISTING = 6_000
FOUND = 200
DAY_SECONDS = 86_400.0

# Of each kind many that are young, or not due yet, and a few that are old, or due.
ROWS = {
    "idempotency_key": """
        INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer, created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), n::text, '', '{}',
               now() - CASE WHEN n <= $2 THEN interval '9 days' ELSE interval '1 hour' END
        FROM generate_series(1, $1::int) AS n""",
    "upload": """
        INSERT INTO upload (id, client_id, size, layout, created_at)
        SELECT gen_random_uuid(), (SELECT id FROM client), 1, '{"rows": 1}',
               now() - CASE WHEN n <= $2 THEN interval '9 days' ELSE interval '1 hour' END
        FROM generate_series(1, $1::int) AS n""",
    "access_change": """
        INSERT INTO access_change (id, subject_id, created_at)
        SELECT gen_random_uuid(), gen_random_uuid(),
               now() - CASE WHEN n <= $2 THEN interval '9 days' ELSE interval '1 hour' END
        FROM generate_series(1, $1::int) AS n""",
    "refresh_token": """
        WITH person AS (
            INSERT INTO app_user (id, email, password_hash, role)
            VALUES (gen_random_uuid(), 'a@b.test', 'x', 'ADMIN') RETURNING id
        ), sign_in AS (
            INSERT INTO session (id, user_id)
            SELECT gen_random_uuid(), person.id FROM person, generate_series(1, $1::int)
            RETURNING id
        )
        INSERT INTO refresh_token (id, token_hash, session_id, expires_at)
        SELECT gen_random_uuid(), decode(md5(n::text), 'hex'), id,
               now() - CASE WHEN n <= $2 THEN interval '9 days' ELSE interval '1 hour' END
        FROM (SELECT id, row_number() OVER () AS n FROM sign_in) AS numbered""",
    "webhook_event": """
        INSERT INTO webhook_event (id, provider, body, outcome, reason, due_at)
        SELECT uuidv7(), 'extreme', '{}', 'UNROUTED', 'waits',
               now() + CASE WHEN n <= $2 THEN interval '0' ELSE interval '1 hour' END
        FROM generate_series(1, $1::int) AS n""",
}


async def due_events() -> int:
    async with store.transaction() as tx:
        taken: list[DueEvent] = await store.take_due_events(tx, 200)
        await tx.execute("UPDATE webhook_event SET due_at = NULL WHERE due_at <= now()")
    return len(taken)


LOOKS: dict[str, Callable[[], Awaitable[int]]] = {
    "idempotency_key": partial(store.purge_keys, age_seconds=DAY_SECONDS, most=1_000),
    "upload": partial(store.purge_uploads, age_seconds=KEPT_SECONDS, most=1_000),
    "access_change": partial(store.purge_changes, most=1_000),
    "refresh_token": partial(store.purge_sign_ins, most=1_000),
    "webhook_event": due_events,
}


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[None]:
    # One connection: the counters are flushed by the connection that did the work.
    async with db.connected(database_url, pool_size=1):
        await db.add_client()
        yield


@pytest.mark.usefixtures("setup")
@pytest.mark.parametrize("table", ROWS)
async def test_old_and_due_rows_are_found_without_reading_the_others(table: str) -> None:
    await db.execute(ROWS[table], EXISTING, FOUND)
    await db.execute("ANALYZE")
    look = LOOKS[table]
    found: list[int] = []

    async def once() -> None:
        found.append(await look())

    # What is found is read, looked up again and removed: three times, at the most.
    assert_small(await work_of(once(), [table]), most_rows=3 * FOUND)
    assert found == [FOUND]
    work = await work_of(once(), [table])
    assert not work.scans[table]
    assert work.rows[table] <= FOUND, work
    assert found == [FOUND, 0]


async def test_the_watch_of_the_clock_reads_few_messages_that_wait(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(held=EXISTING)
        await db.accept(client, EXISTING)
        await db.execute("VACUUM (ANALYZE) message")  # it also summarises the BRIN index
        look = store.correct_future_dates(slack_seconds=2.0, reading_seconds=120.0, most=1_000)
        # The BRIN index leads to some pages.
        assert (await work_of(look, ["message"])).rows["message"] <= EXISTING // 10


@pytest.mark.usefixtures("setup")
@pytest.mark.parametrize(
    ("table", "purge"),
    [("access_change", store.purge_changes), ("refresh_token", store.purge_sign_ins)],
)
async def test_no_more_rows_are_deleted_than_requested(
    table: str, purge: Callable[..., Awaitable[int]]
) -> None:
    await db.execute(ROWS[table], 5, 5)
    assert [await purge(most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert await db.fetch("SELECT FROM session") == []


async def test_each_part_of_a_large_send_is_read_once_when_its_contacts_are_captured(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "MOST_MESSAGES", 200)
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(held=10_000)
        await db.accept(client, EXISTING)
        await db.execute(
            "INSERT INTO opt_out (client_id, number, source)"
            " SELECT $1, '+1202555' || n, 'PERSON' FROM generate_series(1000, 1999) AS n",
            client.client_id,
        )
        await db.execute("ANALYZE")
        work = await work_of(_capture_all(), ["message"])
    # Once for the numbers, and once for the opt-outs.
    assert not work.scans["message"]
    assert EXISTING <= work.rows["message"] <= 2.1 * EXISTING, work


async def _capture_all() -> None:
    while await capture.capture_contacts(store):
        pass


CALL = """
WITH call AS (
    INSERT INTO attempt (id, provider_account_id, epoch, messages, started_at, ended_at, outcome)
    SELECT uuidv7(), provider_account_id, 0, accepted, now(), now(), 'UNKNOWN' FROM send
    RETURNING id
)
UPDATE message SET status = 'UNKNOWN', attempts = 1, attempt_id = call.id,
       updated_at = clock_timestamp() FROM call
"""


async def test_a_page_of_unknown_messages_is_read_without_the_others(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(await db.add_pool(), held=EXISTING)
        await db.accept(client, EXISTING)
        await db.execute(CALL)
        await db.execute("VACUUM (ANALYZE) message")
        keys: list[UnknownKey] = []

        async def read_page(*, to_export: bool) -> None:
            given: Any = {"after": keys[-1] if keys else FIRST_KEY, "most": FOUND}
            page: Sequence[UnknownAttempt]
            if to_export:
                page = await store.list_unknowns(Everything(), UnknownFilter(), **given)
            else:
                async with store.transaction() as tx:
                    page = await store.find_unknowns(tx, UnknownFilter(), **given)
            keys.extend(each.key for each in page)

        for to_export in (False, True):
            keys.clear()
            for _ in range(3):
                work = await work_of(read_page(to_export=to_export), ["message"])
                assert_small(work, most_rows=2 * FOUND)
            assert len(set(keys)) == 3 * FOUND


LOSE = """
WITH call AS (
    INSERT INTO attempt (id, provider_account_id, epoch, messages, started_at, ended_at, outcome)
    SELECT uuidv7(), (SELECT id FROM provider_account), 0, 1, now(), now(), 'UNKNOWN'
    FROM generate_series(1, $1)
    RETURNING id
), numbered AS (SELECT id, row_number() OVER () AS n FROM call)
UPDATE message SET status = CASE WHEN lost.n <= $2 THEN 'UNKNOWN' ELSE 'SENT' END, attempts = 1,
       attempt_id = numbered.id, updated_at = clock_timestamp()
FROM (SELECT id, row_number() OVER () AS n FROM message) AS lost JOIN numbered USING (n)
WHERE message.id = lost.id
"""


async def test_lost_answers_are_found_without_reading_other_messages(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(await db.add_pool(), held=EXISTING)
        await db.accept(client, EXISTING)
        await db.execute(LOSE, EXISTING, FOUND)
        await db.execute("VACUUM (ANALYZE) message, attempt")

        async def look() -> None:
            [account_id] = await store.accounts_with_lost(age_seconds=DAY_SECONDS)
            calls = await store.lost_calls(
                account_id, age_seconds=DAY_SECONDS, without=[], most=FOUND
            )
            assert sum(len(each.message_ids) for each in calls) == FOUND

        work = await work_of(look(), ["message", "attempt"])
        assert_small(work, most_rows=5 * FOUND)
