"""A page of an inbox is one statement, which PostgreSQL plans once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from domain.identity.access import OfClient
from domain.inbox.messages import InboundMessage
from domain.pages import Window
from domain.sending.messages import Message
from persistence.database import connection
from persistence.inbox.conversations import read_conversations
from tests import db

CONVERSATIONS = 3_000
# IDs by time: each conversation begins with its own number.
FILL = f"""
WITH made AS (
    SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id, n,
           '+1202' || (2000000 + n) AS number
    FROM generate_series(1, {CONVERSATIONS}) AS n
), came AS (
    INSERT INTO inbound (id, client_id, feed, number, text)
    SELECT id, $1::uuid, n, number, 'Hello' FROM made
), known AS (
    INSERT INTO contact (id, client_id, number, name)
    SELECT id, $1, number, 'Ada ' || n FROM made WHERE n % 3 <> 0
)
INSERT INTO conversation (id, client_id, number, last_message_id, last_inbound_id)
SELECT id, $1, number, id, id FROM made
"""
REPLIED = """
UPDATE conversation SET last_message_id = message.id FROM message
WHERE conversation.number = message.number
"""


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[db.Tenant]:
    # One connection: it keeps its prepared statements.
    async with db.connected(database_url, pool_size=1):
        tenant = await db.add_client()
        await db.execute(FILL, tenant.client_id)
        number = f"+1202{2_000_000 + CONVERSATIONS}"
        await db.accept(tenant, numbers=[number], text="And you?")
        await db.execute(REPLIED)
        await db.execute("ANALYZE")
        yield tenant


async def test_a_page_has_the_contacts_and_the_last_messages(client: db.Tenant) -> None:
    page = await read_conversations(OfClient(client.client_id), Window(3))
    first, second, third = page.items
    assert isinstance(first.last_message, Message)
    assert (first.last_message.text, first.last_message.number) == ("And you?", first.number)
    assert isinstance(second.last_message, InboundMessage)
    assert (second.last_message.text, second.last_message.id) == ("Hello", second.last_message_id)
    names = [None if each.contact is None else each.contact.name for each in page.items]
    assert names == [None, f"Ada {CONVERSATIONS - 1}", f"Ada {CONVERSATIONS - 2}"]
    assert third.contact is not None
    assert third.contact.number == third.number


async def test_a_page_is_one_statement_whose_plan_is_kept(client: db.Tenant) -> None:
    requested: list[str] = []
    async with connection() as held:
        held.add_query_logger(lambda logged: requested.append(logged.query))
    for _ in range(8):
        page = await read_conversations(OfClient(client.client_id), Window(50))
        assert len(page.items) == 50
    assert len(set(requested)) == 1
    assert len(requested) == 8
    (plans,) = await db.fetch(
        "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", requested[0]
    )
    assert plans["generic_plans"] == 3
