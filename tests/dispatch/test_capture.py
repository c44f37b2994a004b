"""Contacts are captured from committed sends, once, by any process."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from domain.inbox import capture
from domain.inbox.capture import capture_contacts
from persistence import store
from tests import db
from tests.locks import holding, until_waiting

pytestmark = pytest.mark.usefixtures("connected")


async def contacts() -> list[tuple[object, object, object]]:
    rows = await db.fetch("SELECT client_id, number, business FROM contact")
    return sorted(tuple(row.values()) for row in rows)


async def test_each_recipient_becomes_a_contact_with_the_clients_business() -> None:
    anne = await db.add_client(business="Anne's Cakes")
    bob = await db.add_client(anne.pool)
    numbers = db.generated_numbers(3)
    await db.accept(anne, numbers=numbers)
    await db.accept(anne, numbers=numbers[:1])
    await db.accept(bob, numbers=numbers[:2])
    assert await capture_contacts(store) is True
    assert await capture_contacts(store) is False
    assert await contacts() == sorted(
        [(anne.client_id, number, "Anne's Cakes") for number in numbers]
        + [(bob.client_id, number, None) for number in numbers[:2]]
    )


async def test_the_id_of_a_contact_is_that_of_a_message_to_it() -> None:
    client = await db.add_client()
    numbers = db.generated_numbers(20)
    await db.accept(client, numbers=numbers)
    await db.accept(client, numbers=numbers[:5])
    await capture_contacts(store)
    found = await db.fetch("SELECT number FROM contact JOIN message USING (id, number)")
    assert sorted(row["number"] for row in found) == sorted(numbers)


async def test_a_contact_that_is_there_stays_as_it_is() -> None:
    client = await db.add_client(business="Anne's Cakes")
    (number,) = db.generated_numbers(1)
    await db.execute(
        "INSERT INTO contact (id, client_id, number, name)"
        " VALUES (gen_random_uuid(), $1, $2, 'Mum')",
        client.client_id,
        number,
    )
    await db.accept(client, numbers=[number])
    await capture_contacts(store)
    rows = await db.fetch("SELECT number, name, business FROM contact")
    assert rows == [{"number": number, "name": "Mum", "business": None}]


async def test_a_large_send_is_captured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST_MESSAGES", 10)
    client = await db.add_client()
    await db.accept(client, 35)
    await db.accept(client)
    while await capture_contacts(store):
        pass
    assert len(await contacts()) == 35
    assert await db.fetch("SELECT 1 FROM send WHERE NOT captured") == []


async def test_captures_of_the_same_numbers_at_once_do_not_deadlock() -> None:
    client = await db.add_client()
    numbers = db.generated_numbers(9)
    sends = [
        await db.accept(client, numbers=numbers),
        await db.accept(client, numbers=numbers[::-1]),
    ]
    add = "INSERT INTO contact (id, client_id, number) VALUES (gen_random_uuid(), $1, $2)"
    async with holding(lambda tx: tx.execute(add, client.client_id, numbers[4])):
        captures = [asyncio.create_task(_capture(send.id)) for send in sends]
        await until_waiting(2)
    await asyncio.gather(*captures)
    assert len(await contacts()) == 9


async def _capture(send_id: UUID) -> None:
    async with store.transaction() as tx:
        found = await store.take_uncaptured(tx, most=1, send_id=send_id)
        await store.capture_numbers(tx, found, after=UUID(int=0), most=100)


async def test_keys_older_than_a_day_are_deleted_and_younger_ones_kept() -> None:
    await db.execute(
        "INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer, created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), each::text, '', '{}',"
        " now() - each * interval '1 hour'"
        " FROM generate_series(20, 29) AS each"
    )
    day_seconds = 86_400.0
    assert await store.purge_keys(age_seconds=day_seconds, most=4) == 4
    assert await store.purge_keys(age_seconds=day_seconds, most=4) == 2
    rows = await db.fetch("SELECT key FROM idempotency_key ORDER BY key")
    assert [row["key"] for row in rows] == ["20", "21", "22", "23"]
