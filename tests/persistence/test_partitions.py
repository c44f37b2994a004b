"""Tables by month: made ahead of time, moved with their rows while sends continue, and dropped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from domain.ids import first_id_at, new_id
from domain.inbox.capture import capture_contacts
from domain.inbox.webhooks import NewEvent
from persistence import database, partitioning, store
from persistence.closing import close_months
from persistence.database import Connection
from persistence.partitions import (
    COLUMNS,
    Partition,
    drop_empty_months,
    make_partitions,
    month_after,
    month_of,
    read_partitions,
    time_of,
)
from tests import databases, db
from tests.dispatch.parts import Scripted, dispatching
from tests.locks import locked

ATTEMPT = """
INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,
                     lease_until)
VALUES ($1, $1, $1, 0, 1, now(), now())
"""
STORE_AS_BEFORE = """
INSERT INTO webhook_event (id, provider, key, body, outcome, reason)
VALUES ($1, 'extreme', $2, '', 'INVALID', 'why') ON CONFLICT (key) DO NOTHING
"""
KEYS = [sha256(bytes([each])).digest() for each in range(4)]
PLACE = "SELECT tableoid::regclass::text AS place FROM attempt WHERE id = $1"
NOW = datetime.now(UTC)
BACK = """
ALTER TABLE webhook_event ADD CONSTRAINT webhook_event_key_unique UNIQUE (key);
CREATE TRIGGER webhook_event_changed BEFORE UPDATE ON webhook_event FOR EACH ROW
    WHEN (NEW.updated_at IS DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION note_change();
DROP TABLE webhook_event_key;
DROP FUNCTION webhook_event_guards();
ALTER TABLE webhook_event DROP COLUMN provider_account_id;
-- Also the newest migration: if it is there, Tortoise looks for no other one.
DELETE FROM tortoise_migrations
WHERE name LIKE '%_attempts_by_month' OR name LIKE '%_event_keys' OR name LIKE '%_events_by_month'
   OR name LIKE '%_accounts_of_events' OR name = (SELECT max(name) FROM tortoise_migrations);
"""


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[None]:
    async with db.connected(database_url):
        yield


async def partitions(table: str) -> list[Partition]:
    async with database.connection() as pooled:
        return await read_partitions(pooled, [table])


async def made_for(moment: datetime) -> None:
    """The months are made as at that time, by several processes at once."""
    while await make_partitions(moment):
        pass


async def added(id_: UUID) -> UUID:
    """An attempt with this ID."""
    await db.execute(ATTEMPT, id_)
    return id_


async def place_of(id_: UUID) -> str:
    """The partition that an attempt is in."""
    (row,) = await db.fetch(PLACE, id_)
    return str(row["place"])


def name_of(month: datetime) -> str:
    return f"attempt_{month:%Y_%m}"


@pytest.mark.usefixtures("setup")
async def test_the_next_month_is_there_before_it_begins() -> None:
    await made_for(NOW)
    for months in range(14):
        await made_for(NOW + timedelta(days=28 * months))
        for table in COLUMNS:
            *_, last, rest = await partitions(table)
            assert rest.is_default
            assert last.until is not None
            assert last.until > first_id_at(NOW + timedelta(days=28 * months + 34))
    found = await partitions("attempt")
    assert [each.since for each in found[1:-1]] == [each.until for each in found[:-2]]
    assert len(found) > 12
    indexes = await db.fetch(
        "SELECT count(*) AS each FROM pg_index JOIN pg_inherits ON inhrelid = indrelid"
        " WHERE inhparent = 'attempt'::regclass GROUP BY indrelid"
    )
    assert {row["each"] for row in indexes} == {3}


@pytest.mark.usefixtures("setup")
async def test_rows_are_in_their_month_on_both_sides_of_its_end() -> None:
    await made_for(NOW + timedelta(days=100))
    *_, before, after, _ = await partitions("attempt")
    assert after.since is not None
    last = await added(UUID(int=after.since.int - 1))
    first = await added(after.since)
    assert [await place_of(each) for each in (last, first)] == [before.name, after.name]
    both = await db.fetch("SELECT id FROM attempt ORDER BY id")
    assert [row["id"] for row in both] == [last, first]
    ended = "UPDATE attempt SET ended_at = now(), outcome = 'ACCEPTED' WHERE id = ANY($1::uuid[])"
    await db.execute(ended, [last, first])
    assert await db.fetch("SELECT FROM attempt WHERE ended_at IS NULL") == []


@pytest.mark.usefixtures("setup")
async def test_rows_that_came_before_their_month_was_made_are_moved_into_it() -> None:
    await made_for(NOW)
    late = NOW + timedelta(days=75)
    early = await added(first_id_at(late))
    wrong = await added(UUID(int=2**128 - 1))
    assert await place_of(early) == "attempt_default"
    assert (await store.read_backlog()).misplaced == 2
    await made_for(late)
    assert await place_of(early) == name_of(late)
    assert await place_of(wrong) == "attempt_default"
    assert (await store.read_backlog()).misplaced == 1


@pytest.mark.usefixtures("setup")
async def test_many_processes_make_a_month_once() -> None:
    await asyncio.gather(*(made_for(NOW + timedelta(days=60)) for _ in range(5)))
    for table in COLUMNS:
        ends = [each.until for each in await partitions(table)]
        assert len(set(ends)) == len(ends)


@pytest.mark.usefixtures("setup")
async def test_a_month_is_made_beside_a_transaction_that_writes(database_url: str) -> None:
    async with locked(database_url, ATTEMPT, new_id()):
        await made_for(NOW + timedelta(days=60))
    assert len(await partitions("attempt")) > 2


@pytest.mark.usefixtures("setup")
async def test_months_that_are_over_and_empty_are_dropped() -> None:
    await made_for(NOW + timedelta(days=100))
    first, second = (await partitions("attempt"))[:2]
    assert first.until is not None
    assert second.until is not None
    old, _, kept = [await added(each) for each in (new_id(), first.until, second.until)]
    ended = time_of(second.until)
    assert await drop_empty_months(time_of(UUID(int=second.until.int - (1 << 80)))) == [
        "sent_to_first",
        "webhook_event_first",
    ]
    await db.execute("DELETE FROM attempt WHERE id < $1", second.until)
    assert len(await drop_empty_months(ended)) == 4
    assert await drop_empty_months(ended) == []
    assert await db.fetch("SELECT id FROM attempt") == [{"id": kept}]
    await added(old)
    assert await place_of(old) == "attempt_default"


@pytest.mark.usefixtures("setup")
async def test_an_event_that_comes_again_in_the_next_month_is_a_duplicate() -> None:
    await made_for(NOW + timedelta(days=100))
    first = (await partitions("webhook_event"))[0]
    assert first.until is not None
    last, next_ = UUID(int=first.until.int - 1), first.until
    assert await stored(KEYS[0], last) == "UNROUTED"
    assert await stored(KEYS[0], next_) == "DUPLICATE"
    assert await stored(KEYS[1], UUID(int=next_.int + 1)) == "UNROUTED"
    rows = await db.fetch("SELECT id, outcome FROM webhook_event ORDER BY id LIMIT 2")
    assert [(row["id"], row["outcome"]) for row in rows] == [
        (last, "UNROUTED"),
        (next_, "DUPLICATE"),
    ]


@pytest.mark.usefixtures("setup")
async def test_refused_calls_of_a_minute_are_one_row_for_all_processes() -> None:
    refused = {("extreme", "why"): 2, ("extreme", "because"): 1}
    await asyncio.gather(*(store.count_refusals(refused) for _ in range(5)))
    rows = await db.fetch("SELECT id, reason, times FROM webhook_event ORDER BY times")
    assert all(row["id"].version == 7 for row in rows)
    # At most two minutes: the clock may have passed into the next one.
    assert {
        sum(row["times"] for row in rows if row["reason"] == each) for each in ("because", "why")
    } == {5, 10}
    assert len(rows) in (2, 4)


@pytest.fixture
async def url(database_url: str) -> str:
    """A database as the previous release had it: its tables are not partitioned."""
    await databases.execute(database_url, "DROP VIEW all_sent_to, closed_sent_to, open_sent_to")
    for table in COLUMNS:
        await databases.execute(
            database_url,
            f"CREATE TABLE plain (LIKE {table} INCLUDING ALL); DROP TABLE {table};"
            f"ALTER TABLE plain RENAME TO {table}",
        )
    await databases.execute(database_url, BACK)
    return database_url


async def test_a_filled_database_is_moved_while_sends_continue(url: str) -> None:
    async with db.connected(url):
        await db.execute(STORE_AS_BEFORE, new_id(), KEYS[0])
        client = await db.add_client(held=100_000)
        await db.accept(client, 500)
        done = asyncio.Event()
        async with dispatching(Scripted()):
            sending = asyncio.create_task(send_until(done, client))
            await migrated_beside_this_program(url)
            await db.accept(client, 100)
            done.set()
            sends = await sending
            while set(await db.statuses()) != {"SENT"}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await capture_contacts(store)
        assert await db.statuses() == {"SENT": 600 + sends}
        counts = await db.fetch(
            "SELECT (SELECT count(*) FROM sent_to) AS numbers,"
            " (SELECT sum(messages) FROM attempt) AS calls"
        )
        assert counts == [{"numbers": 600 + sends, "calls": 600 + sends}]
        await db.assert_audit_holds()
        await repetitions_are_known_to_both_programs()
        await partitioning.move_events(url)
        assert await stored(KEYS[1]) == "DUPLICATE"
        assert await stored(KEYS[3]) == "UNROUTED"
        assert await db.fetch("SELECT count(*)::int AS events FROM webhook_event") == [
            {"events": 8}
        ]
        for table in COLUMNS:
            assert [each.name for each in await partitions(table)] == [
                f"{table}_first",
                f"{table}_default",
            ]


async def repetitions_are_known_to_both_programs() -> None:
    """A program of the previous release still stores events, which are not partitioned yet."""
    assert await partitions("webhook_event") == []
    assert await stored(KEYS[0]) == "DUPLICATE"
    assert await stored(KEYS[1]) == "UNROUTED"
    assert await stored(KEYS[1]) == "DUPLICATE"
    for key in KEYS[:3]:
        await db.execute(STORE_AS_BEFORE, new_id(), key)
    assert await stored(KEYS[2]) == "DUPLICATE"
    rows = await db.fetch("SELECT key FROM webhook_event WHERE outcome = 'INVALID' ORDER BY id")
    assert [row["key"] for row in rows] == [KEYS[0], KEYS[2]]


async def stored(key: bytes, id_: UUID | None = None) -> str:
    """An event comes. Its outcome."""
    (outcome,) = await store.store_events([NewEvent(id_ or new_id(), "extreme", key, b"{}")])
    return outcome.value


async def migrated_beside_this_program(url: str) -> None:
    run = "import asyncio, sys; from persistence.migrating import migrate"
    migrating = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{run}; asyncio.run(migrate(sys.argv[1]))", url
    )
    assert await migrating.wait() == 0


async def send_until(done: asyncio.Event, client: db.Tenant) -> int:
    """Sends one message after the other. Returns how many."""
    sends = 0
    while not done.is_set():
        await db.accept(client)
        await capture_contacts(store)
        sends += 1
    return sends


@pytest.fixture
async def held(connected: None) -> AsyncIterator[Connection]:
    async with database.connection() as pooled:
        yield pooled


@pytest.fixture
async def plain(held: Connection) -> AsyncIterator[str]:
    """A table as `attempt` was before, and with grants, a trigger and storage parameters."""
    table = f"thing_{uuid4().hex[:8]}"
    await held.execute(
        f"CREATE TABLE {table} (id uuid PRIMARY KEY, key bytea UNIQUE, size int DEFAULT 3,"
        f" CONSTRAINT {table}_positive CHECK (size > 0)) WITH (autovacuum_vacuum_threshold = 77);"
        f"CREATE INDEX {table}_by_size ON {table} (size) WHERE size > 2;"
        f"CREATE TRIGGER {table}_set BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger();"
        f"CREATE TRIGGER {table}_gone BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger();"
        f"GRANT SELECT, UPDATE ON {table} TO PUBLIC"
    )
    yield table
    await held.execute(f"DROP TABLE {table}")


async def test_an_interrupted_move_is_finished_by_the_next_one(
    plain: str, held: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COLUMNS, plain, "id")
    await held.execute(f"INSERT INTO {plain} (id, key) VALUES ($1, 'a')", new_id())
    check = f"{plain}_first_ends"
    # A move that was begun long ago: its end has almost come.
    soon = first_id_at(NOW + timedelta(days=2))
    await held.execute(f"ALTER TABLE {plain} ADD CONSTRAINT {check} CHECK (id < '{soon}')")
    await partitioning.partition(held, plain, left_out=f"{plain}_gone")
    await partitioning.partition(held, plain)
    first, default = await read_partitions(held, [plain])
    assert first.until is not None
    assert first.until > first_id_at(NOW + timedelta(days=39))
    assert default.is_default
    triggers = await held.fetch(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::text::regclass", plain
    )
    assert [row[0] for row in triggers] == [f"{plain}_set"]
    grants = await held.fetchval(
        "SELECT relacl::text FROM pg_class WHERE oid = $1::text::regclass", plain
    )
    assert "=rw/" in grants
    indexes = await held.fetch(
        "SELECT indexname FROM pg_indexes WHERE tablename = $1 ORDER BY 1", plain
    )
    assert [row[0] for row in indexes] == [f"{plain}_by_size", f"{plain}_pkey"]
    assert await held.fetchval(f"SELECT size FROM {plain}") == 3


async def test_ids_of_a_wrong_clock_stay_in_the_first_partition(
    plain: str, held: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COLUMNS, plain, "id")
    later = first_id_at(NOW + timedelta(days=400))
    await held.execute(f"INSERT INTO {plain} (id) VALUES ($1)", later)
    await partitioning.partition(held, plain)
    first, _ = await read_partitions(held, [plain])
    assert first.until == first_id_at(month_after(month_of(NOW + timedelta(days=400))))


@pytest.mark.parametrize("closes", [True, False])
async def test_months_are_made_again_after_a_pause_in_which_all_have_ended(
    setup: None, database_url: str, *, closes: bool
) -> None:
    """A machine was off for months, and the first command after it dropped all of them."""
    later = month_of(NOW + timedelta(days=300))
    if closes:
        await close_months(database_url, later)
    assert await drop_empty_months(later)
    early = await added(first_id_at(later))
    assert await place_of(early) == "attempt_default"
    await made_for(later)
    assert await place_of(early) == name_of(later)
    for table in COLUMNS:
        first, *_, last, rest = await partitions(table)
        assert rest.is_default
        assert first.since == first_id_at(later)
        assert last.until is not None
        assert last.until > first_id_at(later + timedelta(days=34))
