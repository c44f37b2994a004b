"""A page of an inbox of 10,000 conversations with 1,000,000 messages, in CPU time of PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from benchmarks.databases import Database, cpu_seconds, new_database, with_children
from benchmarks.measurement import Measurement
from domain.identity.access import OfClient, Scope
from domain.inbox.messages import Conversation
from domain.pages import Window
from persistence import store
from tests import db

CONVERSATIONS = 10_000
MESSAGES = 1_000_000
PAGE = 50
TIMES = 100

# Ids begin with the time at which they were made (RFC 9562 §5.7): here with a number, in order.
ID = "(lpad(to_hex({}), 12, '0') || '70008000' || lpad(to_hex({}), 12, '0'))::uuid"
NUMBER = "'+1202' || lpad((2000000 + {})::text, 7, '0')"
FILL = (
    f"""
    INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                      rejected_count, captured)
    SELECT {ID.format("n", 1)}, $1, $2, $3, 'SINGLE', 'Good morning', 1, 1, 0, true
    FROM generate_series(1, $4::int8, 2) AS n
    """,
    f"""
    INSERT INTO message (id, send_id, client_id, provider_account_id, number, status, priority,
                         price, due_at, attempt_id)
    SELECT id, id, client_id, provider_account_id, {NUMBER.format("(n / 2) % $1::int8")}, 'SENT',
           1, 1, now(), id
    FROM send JOIN LATERAL (
        SELECT ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::int8 AS n) AS at ON true
    """,
    "INSERT INTO sent_to (number, client_id, message_id)"
    " SELECT number, client_id, id FROM message ORDER BY 1, 2, 3",
    f"""
    INSERT INTO inbound (id, client_id, feed, number, text)
    SELECT {ID.format("n", 2)}, $1, n, {NUMBER.format("(n / 2) % $2::int8")}, 'And to you'
    FROM generate_series(2, $3::int8, 2) AS n
    """,
    """
    INSERT INTO conversation (id, client_id, number, unread, last_message_id, last_inbound_id)
    SELECT last.id, client_id, number, 1, last.id, last.id FROM (
        SELECT DISTINCT ON (client_id, number) client_id, number, id FROM inbound
        ORDER BY client_id, number, id DESC) AS last
    """,
    """
    INSERT INTO contact (id, client_id, number, name)
    SELECT id, client_id, number, 'Ada' FROM conversation
    """,
    "ANALYZE",
)


def main() -> list[Measurement]:
    """PostgreSQL's time for a page, at the start and deep inside, and of one conversation."""
    with new_database() as database:
        scope = asyncio.run(_fill(database.url))
        first = _measure(database, scope, _first_page)
        deep = _measure(database, scope, _deep_page)
        conversation = _measure(database, scope, _conversation)
    return [
        Measurement("the first page of 50", first, "ms of PostgreSQL", at_most=5),
        Measurement("a page deep within", deep, "ms of PostgreSQL", at_most=5),
        Measurement("50 messages of one conversation", conversation, "ms of PostgreSQL", at_most=5),
    ]


async def _fill(url: str) -> Scope:
    async with db.connected(url):
        tenant = await db.add_client(await db.add_pool())
        arguments: tuple[tuple[object, ...], ...] = (
            (tenant.client_id, tenant.account_id, tenant.pool.id, MESSAGES),
            (CONVERSATIONS,),
            (),
            (tenant.client_id, CONVERSATIONS, MESSAGES),
        )
        # On a separate connection: this takes longer than the program waits for an answer.
        own = await asyncpg.connect(url)
        for at, statement in enumerate(FILL):
            await own.execute(statement, *(arguments[at] if at < len(arguments) else ()))
        await own.close()
        (counted,) = await db.fetch("SELECT count(*) AS conversations FROM conversation")
        assert counted["conversations"] == CONVERSATIONS
    return OfClient(tenant.client_id)


def _measure(
    database: Database, scope: Scope, read: Callable[[Scope, int], Awaitable[None]]
) -> float:
    """Milliseconds of CPU that PostgreSQL spends on one read."""

    async def run() -> float:
        async with db.connected(database.url, pool_size=1):
            for each in range(10):
                await read(scope, each)
            before = cpu_seconds(with_children(database.postgres_pid))
            for each in range(TIMES):
                await read(scope, each)
            return cpu_seconds(with_children(database.postgres_pid)) - before

    started = time.perf_counter()
    spent = asyncio.run(run())
    assert time.perf_counter() - started < 120
    return spent / TIMES * 1000


async def _first_page(scope: Scope, _turn: int) -> None:
    await _read_page(scope, Window(size=PAGE))


async def _deep_page(scope: Scope, turn: int) -> None:
    after = UUID(hex=f"{MESSAGES - 100 * turn - 9_000:012x}" + "70008000" + f"{2:012x}")
    await _read_page(scope, Window(size=PAGE, after=after))


async def _read_page(scope: Scope, window: Window[UUID]) -> None:
    """Conversations, with their contacts and their last messages."""
    page = await store.read_conversations(scope, window)
    assert len(page.items) == PAGE


async def _conversation(scope: Scope, turn: int) -> None:
    page = await store.read_conversations(scope, Window(size=1))
    pair = _pair(page.items[0])
    found = await store.read_messages_of_conversations(scope, [pair], Window(size=PAGE))
    assert len(found[pair].items) == PAGE


def _pair(conversation: Conversation) -> tuple[UUID, str]:
    return conversation.client_id, conversation.number
