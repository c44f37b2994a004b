"""Contacts are captured from committed sends, once, whoever does it."""

from __future__ import annotations

import asyncio

import pytest

from domain import capture
from domain.capture import capture_contacts
from persistence import store
from tests import worlds

pytestmark = pytest.mark.usefixtures("connected")


async def contacts() -> list[tuple[object, object, object]]:
    rows = await worlds.fetch("SELECT client_id, number, business FROM contact")
    return sorted(tuple(row.values()) for row in rows)


async def test_whoever_is_sent_to_becomes_a_contact_with_the_clients_business() -> None:
    pool = await worlds.add_pool()
    anne = await worlds.add_client(pool, business="Anne's Cakes")
    bob = await worlds.add_client(pool)
    numbers = worlds.generated_numbers(3)
    await worlds.accept(anne, numbers=numbers)
    await worlds.accept(anne, numbers=numbers[:1])
    await worlds.accept(bob, numbers=numbers[:2])
    assert await capture_contacts(store) is True
    assert await capture_contacts(store) is False
    assert await contacts() == sorted(
        [(anne.client_id, number, "Anne's Cakes") for number in numbers]
        + [(bob.client_id, number, None) for number in numbers[:2]]
    )


async def test_a_contact_that_is_there_stays_as_it_is() -> None:
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool, business="Anne's Cakes")
    (number,) = worlds.generated_numbers(1)
    await worlds.execute(
        "INSERT INTO contact (id, client_id, number, name)"
        " VALUES (gen_random_uuid(), $1, $2, 'Mum')",
        client.client_id,
        number,
    )
    await worlds.accept(client, numbers=[number])
    await capture_contacts(store)
    rows = await worlds.fetch("SELECT number, name, business FROM contact")
    assert rows == [{"number": number, "name": "Mum", "business": None}]


async def test_a_large_send_is_captured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST_MESSAGES", 10)
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool)
    await worlds.accept(client, 35)
    await worlds.accept(client)
    while await capture_contacts(store):
        pass
    assert len(await contacts()) == 35
    assert await worlds.fetch("SELECT 1 FROM send WHERE NOT captured") == []


async def test_captures_side_by_side_neither_fail_nor_capture_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture, "MOST_MESSAGES", 40)
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool, held=10_000)
    for skip in range(12):
        numbers = worlds.generated_numbers(30 + 10 * (skip % 3), skip=5 * skip)
        await worlds.accept(client, numbers=numbers[:: (-1) ** skip])

    async def capture_all() -> None:
        while await capture_contacts(store):
            pass

    await asyncio.gather(*(capture_all() for _ in range(4)))
    assert await worlds.fetch("SELECT 1 FROM send WHERE NOT captured") == []
    sent_to = await worlds.fetch("SELECT DISTINCT number FROM message")
    assert len(await contacts()) == len(sent_to)


async def test_keys_older_than_a_day_are_thrown_away_and_younger_ones_kept() -> None:
    await worlds.execute(
        "INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer, created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), each::text, '', '{}',"
        " now() - each * interval '1 hour'"
        " FROM generate_series(20, 29) AS each"
    )
    day_seconds = 86_400.0
    assert await store.purge_keys(age_seconds=day_seconds, most=4) == 4
    assert await store.purge_keys(age_seconds=day_seconds, most=4) == 2
    rows = await worlds.fetch("SELECT key FROM idempotency_key ORDER BY key")
    assert [row["key"] for row in rows] == ["20", "21", "22", "23"]
